// A move as the new phone sees it: it waits for the old one's answer, and then shows itself with its first code.

import { Problem, type Waits } from './api.ts';
import { clock } from './clock.svelte.ts';
import { password } from './protocol/otp.ts';
import type { Contract } from './store.ts';

class Moving {
  /** By token; a contract that is not here waits for no old phone. */
  waits = $state.raw<Record<string, Waits>>({});
  #finishing = false;

  /** Takes note of what the server says of a token, and goes on where the old phone has approved. Says whether the token is in use now. */
  async take(contract: Contract, move: Waits | undefined): Promise<boolean> {
    const { [contract.token]: before, ...others } = this.waits;
    if (!move) {
      if (before) this.waits = others;
      return false;
    }
    this.waits = { ...others, [contract.token]: move };
    // Without a question the old phone was busy: asking again has it asked.
    if ((move.asked !== 'approved' && move.asked !== '') || this.#finishing) return false;
    this.#finishing = true;
    try {
      const { finishMove } = await import('./desk-api.ts'); // seldom needed, so not a part of the first load
      await finishMove(contract, clock.now, await password(contract.otpKey, clock.step));
      this.waits = others;
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return false; // the next look says how it stands
    } finally {
      this.#finishing = false;
    }
  }
}

export const moving = new Moving();
