// Registration as it runs on this phone. Rule of the house: keys and the finished request are stored before anything is
// sent, the same bytes are sent until there is an answer, and only a definite refusal drops them.

import { register, Problem } from './api.ts';
import { clock } from './clock.svelte.ts';
import { persist } from './needs.ts';
import { platform } from './platform.ts';
import { exportPublic, thumbprint } from './protocol/jws.ts';
import { makeAgreementPair, makeSigningPair } from './protocol/keys.ts';
import type { RegistrationKey } from './protocol/key.ts';
import { checkAnswer, deriveKeys, makeRequest, WrongRoot } from './protocol/registration.ts';
import * as store from './store.ts';
import type { Contract, Pending } from './store.ts';
import { wallet } from './wallet.svelte.ts';

/** Why it has to be tried again; nothing was decided yet. */
export type Delay = 'offline' | 'unavailable' | 'throttled' | 'unexpected';
/** Why it did not work for good. */
export type Refusal = 'registration-refused' | 'registration-burnt' | 'downloads-used-up' | 'registrations-frozen' | 'malformed';
/** Why the answer, or this phone, is not to be trusted with it. */
export type Stop = 'wrong-root' | 'unverified' | 'unsaved' | 'storage';

export type Phase =
  | { at: 'form' }
  | { at: 'sending' }
  | { at: 'waiting'; why: Delay; retryAt: number }
  | { at: 'refused'; why: Refusal; triesLeft: number | undefined }
  | { at: 'stopped'; why: Stop }
  | { at: 'done'; token: string };

const REFUSALS: readonly string[] = ['registration-refused', 'registration-burnt', 'downloads-used-up', 'registrations-frozen', 'malformed'];
const DRAFT = 'registration-draft';

/** A key that was scanned or followed, with what has been typed so far, or the token that was registered last and whose page is open. It lives as long as the window. */
type Draft = { key: RegistrationKey | undefined; typed: string; number: string; done?: string };

class Registration {
  phase = $state<Phase>({ at: 'form' });
  /** The key from QR code or link. */
  key = $state.raw<RegistrationKey | undefined>();
  /** What stands in the two fields. */
  typed = $state('');
  number = $state('');
  /** The link that opened the app was damaged. */
  badLink = $state(false);
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    try {
      const draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? 'null') as Draft | null;
      if (draft) {
        this.key = draft.key;
        this.typed = draft.typed;
        this.number = draft.number;
        if (draft.done && !draft.key && location.hash.startsWith('#register')) this.phase = { at: 'done', token: draft.done };
      }
    } catch {
      // A draft that cannot be read is no draft.
    }
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#hurry();
    });
  }

  /** Keeps what was typed, and what was reached, over a reload. */
  keepDraft(): void {
    try {
      const done = this.phase.at === 'done' ? this.phase.token : '';
      if (this.key || this.typed || this.number || done) {
        sessionStorage.setItem(DRAFT, JSON.stringify({ key: this.key, typed: this.typed, number: this.number, ...(done ? { done } : {}) } satisfies Draft));
      } else {
        sessionStorage.removeItem(DRAFT);
      }
    } catch {
      // Then a reload loses the draft, and nothing else.
    }
  }

  take(key: RegistrationKey): void {
    this.key = key;
    this.badLink = false;
    // A new key ends the story of the last one, but never a request that is still under way.
    if (this.phase.at === 'refused' || this.phase.at === 'done') this.phase = { at: 'form' };
    this.keepDraft();
  }

  clear(): void {
    this.key = undefined;
    this.typed = '';
    this.number = '';
    this.badLink = false;
    this.keepDraft();
  }

  /** Clears the form if it still holds the key of this registration, and not one that came since by another link. */
  #forget(pending: Pending): void {
    if (!this.key || this.key.key === pending.key) this.clear();
  }

  /** Back to the form, after a refusal or for another contract. Under way, it stays where it is. */
  again(): void {
    if (this.phase.at === 'refused' || this.phase.at === 'done' || (this.phase.at === 'stopped' && this.phase.why === 'storage')) this.phase = { at: 'form' };
    this.keepDraft();
  }

  get underWay(): boolean {
    const { phase } = this;
    return phase.at === 'sending' || phase.at === 'waiting' || (phase.at === 'stopped' && phase.why !== 'storage');
  }

  /** Starts with a key and a number that the form has checked. */
  async start(key: RegistrationKey, number: string): Promise<void> {
    if (this.underWay) return;
    this.phase = { at: 'sending' };
    this.#attempt = 0;
    void persist();
    let pending: Pending;
    try {
      const [signing, agreement] = await Promise.all([makeSigningPair(), makeAgreementPair()]);
      const issuer = location.origin;
      pending = {
        id: 'registration',
        issuer,
        envelope: await makeRequest({ issuer, key, number, platform: platform() }, signing, agreement),
        device: await thumbprint(await exportPublic(signing.publicKey)),
        signing,
        agreement,
        key: key.key,
        root: key.root,
        moves: key.form === 'qr' && key.number !== undefined,
        started: clock.now,
      };
      await store.begin(pending);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'ConstraintError') {
        // Another window has begun one: that one is carried on, this one never existed.
        await this.resume();
        return;
      }
      this.phase = { at: 'stopped', why: 'storage' };
      return;
    }
    await this.#send();
  }

  /** Carries on with a registration that was interrupted, if there is one. Says whether there was. */
  async resume(): Promise<boolean> {
    try {
      if (!(await store.pending())) {
        // Its page is shown again after a reload for as long as something is still to be done.
        const { phase } = this;
        if (phase.at === 'done' && wallet.contracts.find(({ token }) => token === phase.token)?.state !== 'keyed') this.again();
        return false;
      }
    } catch {
      return false;
    }
    this.phase = { at: 'sending' };
    void this.#send();
    return true;
  }

  /** Sends the same bytes again, now. */
  async retry(): Promise<void> {
    clearTimeout(this.#timer);
    this.phase = { at: 'sending' };
    await this.#send();
  }

  /** Gives a registration up. The customer was told what that means. */
  async abandon(): Promise<void> {
    clearTimeout(this.#timer);
    const pending = await store.pending();
    if (pending) {
      await store.drop(pending);
      this.#forget(pending);
    }
    this.phase = { at: 'form' };
  }

  /** Two windows must not send at once: the second waits, and then finds that nothing is left to do. */
  async #send(): Promise<void> {
    clearTimeout(this.#timer);
    if ('locks' in navigator) await navigator.locks.request('inkan-registration', () => this.#sendNow());
    else await this.#sendNow();
  }

  async #sendNow(): Promise<void> {
    let pending: Pending | undefined;
    try {
      pending = await store.pending();
    } catch {
      this.phase = { at: 'stopped', why: 'unsaved' };
      return;
    }
    if (!pending) {
      // The other window finished it, or it was refused there.
      await wallet.load();
      this.phase = { at: 'form' };
      return;
    }
    let answer;
    try {
      answer = await register(pending.envelope);
    } catch (error) {
      await this.#failed(pending, error);
      return;
    }
    try {
      const known = await store.knownRoot(pending.issuer);
      const registered = await checkAnswer(answer, {
        issuer: pending.issuer,
        registration: pending.envelope,
        device: pending.device,
        roots: [pending.root, known ?? ''].filter(Boolean),
      });
      const keys = await deriveKeys(pending.agreement.privateKey, registered, pending.envelope, answer.answer, pending.issuer);
      let contract: Contract;
      try {
        contract = await store.complete(pending, registered, keys, registered.serverTime);
      } catch (error) {
        if (error instanceof WrongRoot) throw error;
        // The bank has it, this phone could not write it down. The request and its keys are still there.
        this.phase = { at: 'stopped', why: 'unsaved' };
        return;
      }
      this.#forget(pending);
      await wallet.changed();
      void clock.measure();
      this.phase = { at: 'done', token: contract.token };
      this.keepDraft();
    } catch (error) {
      this.phase = { at: 'stopped', why: error instanceof WrongRoot ? 'wrong-root' : 'unverified' };
    }
  }

  async #failed(pending: Pending, error: unknown): Promise<void> {
    if (error instanceof Problem && REFUSALS.includes(error.kind)) {
      await store.drop(pending).catch(() => undefined);
      this.phase = { at: 'refused', why: error.kind as Refusal, triesLeft: error.triesLeft };
      return;
    }
    // Whatever else happened, nothing is known to be decided: the same bytes go again, later each time.
    const why: Delay = !(error instanceof Problem) ? 'offline'
      : error.kind === 'throttled' || error.status === 429 ? 'throttled'
      : error.status >= 500 ? 'unavailable'
      : 'unexpected';
    const pause = Math.min(30, 2 ** Math.min(++this.#attempt, 5));
    const seconds = error instanceof Problem && error.retryAfter !== undefined ? Math.max(error.retryAfter, 1) : pause;
    this.phase = { at: 'waiting', why, retryAt: Date.now() + seconds * 1000 };
    this.#timer = setTimeout(() => void this.retry(), seconds * 1000);
  }

  #hurry(): void {
    // A server that asked for patience gets it.
    if (this.phase.at === 'waiting' && this.phase.why !== 'throttled') void this.retry();
  }
}

export const registration = new Registration();
