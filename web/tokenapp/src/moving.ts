// A move as the new phone sees it: it waits for the old one's answer, and then shows itself with its first code. What it waits for stands with the contract, so that a reload finds it there.

import { Problem } from './api.ts';
import { clock } from './clock.svelte.ts';
import { password } from './protocol/otp.ts';
import type { Contract, Waits } from './store.ts';

/** Whether the old phone can still approve, or has approved and this one has yet to show itself. */
export const open = ({ asked }: Waits): boolean => asked === '' || asked === 'pending' || asked === 'approved';

const finishing = new Set<string>();

/** Goes on where the old phone has approved, and says whether the token is in use now. */
export async function goOn(contract: Contract, waits: Waits | undefined): Promise<boolean> {
  // Without a question the old phone was busy: asking again has it asked.
  if ((waits?.asked !== 'approved' && waits?.asked !== '') || finishing.has(contract.token)) return false;
  finishing.add(contract.token);
  try {
    const { finishMove } = await import('./desk-api.ts'); // seldom needed, so not a part of the first load
    await finishMove(contract, clock.now, await password(contract.otpKey, clock.step));
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return false; // the next look says how it stands
  } finally {
    finishing.delete(contract.token);
  }
}

/** How often it asks: within seconds of the approval both hands are still at work. */
const PAUSE = 3_000;

/** Asks again and again while something is waited for and the app is in sight, on whatever screen. It gives back how to end that. */
export function follow(tokens: string[], ask: (token: string) => Promise<void>): () => void {
  let asking = false;
  const look = (): void => {
    if (asking || document.visibilityState !== 'visible' || !navigator.onLine) return;
    asking = true;
    void (async () => { for (const token of tokens) await ask(token); })().catch(() => undefined).finally(() => { asking = false; });
  };
  const timer = setInterval(look, PAUSE);
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', look);
  };
}
