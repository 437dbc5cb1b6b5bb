// Renewal as it runs on this phone. Rule of the house, as at the registration: keys and the finished request are stored before anything is sent, the same bytes are
// sent until there is an answer, only a definite refusal drops them, and the keys in use go when the server's receipt is there and not before.

import { confirmRenewal, Problem, renew } from './api.ts';
import { clock } from './clock.svelte.ts';
import { desk } from './desk.svelte.ts';
import { platform } from './platform.ts';
import { exportPublic, thumbprint } from './protocol/jws.ts';
import { makeAgreementPair, makeSigningPair } from './protocol/keys.ts';
import { password, stepAt } from './protocol/otp.ts';
import { answerHash, checkReceipt, checkRenewalAnswer, deriveRenewedKeys, following, makeConfirmation, makeRenewal, renewalId, type RenewalExpectation } from './protocol/renewal.ts';
import { WrongRoot } from './protocol/registration.ts';
import * as store from './store.ts';
import type { Contract, Next } from './store.ts';
import { wallet } from './wallet.svelte.ts';

/** Why it has to be tried again; nothing was decided yet. */
export type Delay = 'offline' | 'unavailable' | 'throttled' | 'unexpected';
/** Why it did not work. The keys in use stay as they are. */
export type Refusal =
  | 'renewal-early' | 'renewal-late' | 'renewal-number-needed' | 'renewal-number-wrong' | 'renewal-number-burnt' | 'renewal-refused' | 'renewal-none' | 'renewal-burnt'
  | 'service-stopped' | 'otp-locked' | 'token-none' | 'malformed' | 'key-renewed';
/** Why the answer, or this phone, is not to be trusted with it. */
export type Stop = 'wrong-root' | 'unverified' | 'unsaved' | 'storage';

export type Phase =
  | { at: 'idle' }
  | { at: 'sending' }
  | { at: 'waiting'; why: Delay; retryAt: number }
  | { at: 'refused'; why: Refusal; triesLeft: number | undefined }
  | { at: 'stopped'; why: Stop }
  | { at: 'done' };

const REFUSALS: readonly string[] = [
  'renewal-early', 'renewal-late', 'renewal-number-needed', 'renewal-number-wrong', 'renewal-number-burnt', 'renewal-refused', 'renewal-none', 'renewal-burnt',
  'service-stopped', 'otp-locked', 'token-none', 'malformed', 'key-renewed',
] satisfies Refusal[];
const IDLE: Phase = { at: 'idle' };

class Renewal {
  /** How the renewal of each contract stands. */
  phases = $state.raw<Record<string, Phase>>({});
  #attempts = new Map<string, number>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor() {
    const hurry = (): void => {
      // A server that asked for patience gets it.
      for (const [token, phase] of Object.entries(this.phases)) if (phase.at === 'waiting' && phase.why !== 'throttled') void this.retry(token);
    };
    addEventListener('online', hurry);
    document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') hurry(); });
  }

  of(token: string): Phase {
    return this.phases[token] ?? IDLE;
  }

  #to(token: string, phase: Phase): void {
    this.phases = { ...this.phases, [token]: phase };
  }

  /** Starts one, with the mailed number where the token's date has passed. One that is under way is carried on instead. */
  async start(token: string, number = ''): Promise<void> {
    if (this.of(token).at === 'sending') return;
    this.#to(token, { at: 'sending' });
    this.#attempts.delete(token);
    try {
      const contract = await store.contract(token);
      if (!contract) return;
      if (!contract.next) {
        // What was signed with the key in use is sent while it is in use.
        await desk.part?.transactions.flush().catch(() => undefined);
        const [signing, agreement] = await Promise.all([makeSigningPair(), makeAgreementPair()]);
        const renewal = renewalId();
        const generation = following(contract.generation);
        const parts = { issuer: contract.issuer, token, generation, renewal, number, platform: platform() };
        await store.beginRenewal(token, {
          renewal, generation, signing, agreement,
          envelope: await makeRenewal(parts, contract.signingKey, signing, agreement),
          device: await thumbprint(await exportPublic(signing.publicKey)),
        });
        await wallet.changed();
      }
    } catch {
      this.#to(token, { at: 'stopped', why: 'storage' });
      return;
    }
    await this.#send(token);
  }

  /** Carries on with what was interrupted, for every contract. */
  resume(): void {
    for (const { token, next } of wallet.contracts) if (next && this.of(token).at !== 'sending') void this.retry(token);
  }

  /** Goes on from what is stored, now. */
  async retry(token: string): Promise<void> {
    this.#to(token, { at: 'sending' });
    await this.#send(token);
  }

  /** The customer has read how it ended. */
  close(token: string): void {
    if (this.of(token).at === 'refused' || this.of(token).at === 'done') this.#to(token, IDLE);
  }

  /** Two windows must not send at once: the second waits, and then finds what the first has left. */
  async #send(token: string): Promise<void> {
    clearTimeout(this.#timers.get(token));
    if ('locks' in navigator) await navigator.locks.request('inkan-renewal-' + token, () => this.#sendNow(token));
    else await this.#sendNow(token);
  }

  async #sendNow(token: string): Promise<void> {
    try {
      for (;;) {
        const contract = await store.contract(token);
        if (!contract?.next) {
          // The other window finished it, or it was refused there.
          await wallet.load();
          this.#to(token, IDLE);
          return;
        }
        if (!contract.next.answered) await this.#ask(contract, contract.next);
        else {
          await this.#confirm(contract, contract.next, contract.next.answered);
          await wallet.changed();
          this.#to(token, { at: 'done' });
          void clock.measure();
          return;
        }
      }
    } catch (error) {
      await this.#failed(token, error);
    }
  }

  async #expected(contract: Contract, next: Next): Promise<RenewalExpectation> {
    const root = await store.knownRoot(contract.issuer);
    return { issuer: contract.issuer, token: contract.token, certificate: contract.certificate, generation: next.generation, renewal: next.envelope, device: next.device, roots: root ? [root] : [] };
  }

  /** R1, and what it gives. */
  async #ask(contract: Contract, next: Next): Promise<void> {
    const answer = await renew(next.envelope);
    if (!next.agreement) throw new Distrust();
    let said;
    let keys;
    try {
      said = await checkRenewalAnswer(answer, await this.#expected(contract, next));
      keys = await deriveRenewedKeys(next.agreement.privateKey, said, next.envelope, answer.answer, contract.issuer);
    } catch (error) {
      throw error instanceof WrongRoot ? error : new Distrust();
    }
    await store.answerRenewal(contract.token, next.renewal, {
      answer: await answerHash(answer.answer), otpKey: keys.otp, ocraKey: keys.ocra, certificate: said.certificate, notBefore: said.notBefore, expires: said.expires,
    });
  }

  /** R2: the server puts the next keys into use and says so; then, and only then, this phone does. */
  async #confirm(contract: Contract, next: Next, answered: NonNullable<Next['answered']>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        // Of the step before, so that the password on the screen stays good for the customer.
        const code = await password(answered.otpKey, stepAt(clock.now) - 1);
        const receipt = await confirmRenewal(await makeConfirmation(contract.token, next.renewal, answered.answer, code, next.signing.privateKey));
        try {
          await checkReceipt(receipt, await this.#expected(contract, next), next.renewal);
        } catch (error) {
          throw error instanceof WrongRoot ? error : new Distrust();
        }
        await store.finishRenewal(contract.token, next.renewal);
        return;
      } catch (error) {
        // The phone's clock was set meanwhile: with the right time the next one is right. After the third the server ends it and says so.
        if (!(error instanceof Problem) || error.kind !== 'renewal-code-wrong' || attempt > 2) throw error;
        await clock.measure();
      }
    }
  }

  async #failed(token: string, error: unknown): Promise<void> {
    if (error instanceof WrongRoot || error instanceof Distrust) {
      this.#to(token, { at: 'stopped', why: error instanceof WrongRoot ? 'wrong-root' : 'unverified' });
      return;
    }
    if (error instanceof DOMException && error.name !== 'TimeoutError' && error.name !== 'AbortError') {
      // The server may have it, this phone could not write it down. The request and its keys are still there.
      this.#to(token, { at: 'stopped', why: 'unsaved' });
      return;
    }
    if (error instanceof Problem && REFUSALS.includes(error.kind)) {
      const next = (await store.contract(token).catch(() => undefined))?.next;
      if (next) await store.dropRenewal(token, next.renewal).catch(() => undefined);
      await wallet.changed();
      this.#to(token, { at: 'refused', why: error.kind as Refusal, triesLeft: error.triesLeft });
      return;
    }
    // Whatever else happened, nothing is known to be decided: it goes on from what is stored, later each time.
    const why: Delay = !(error instanceof Problem) ? 'offline'
      : error.kind === 'throttled' || error.status === 429 ? 'throttled'
      : error.status >= 500 ? 'unavailable'
      : 'unexpected';
    const attempt = Math.min((this.#attempts.get(token) ?? 0) + 1, 5);
    this.#attempts.set(token, attempt);
    const seconds = error instanceof Problem && error.retryAfter !== undefined ? Math.max(error.retryAfter, 1) : Math.min(30, 2 ** attempt);
    this.#to(token, { at: 'waiting', why, retryAt: Date.now() + seconds * 1000 });
    this.#timers.set(token, setTimeout(() => void this.retry(token), seconds * 1000));
  }
}

/** What was answered does not hold. */
class Distrust extends Error {}

export const renewal = new Renewal();
