// Transactions as the screens see them. Rule of the house: nothing is shown that was not checked, and a decision is stored before
// it is sent and sent unchanged until the server has said something to it.

import { Problem } from './api.ts';
import { clock } from './clock.svelte.ts';
import * as api from './desk-api.ts';
import * as ledger from './ledger.ts';
import { AlreadyAnswered, type Ended, type Entry, type State } from './ledger.ts';
import { time } from './protocol/canonical.ts';
import { makeDecision, type Answer, type Reason } from './protocol/decision.ts';
import { alive, checkHolder, checkIssuerKey, checkOffer, readOffer, type Checked, type Holder } from './protocol/document.ts';
import { offerFromQR } from './protocol/offline.ts';
import { render, type Language } from './protocol/render.ts';
import { readTemplates, type Bundle } from './protocol/templates.ts';
import { pushing } from './push.svelte.ts';
import * as store from './store.ts';
import type { Contract } from './store.ts';
import { listen, pauseAfter } from './stream.ts';
import { verifying } from './verifier.svelte.ts';
import { wallet } from './wallet.svelte.ts';

/** A transaction that can be answered: checked, and whose it is. */
export type Asked = { contract: Contract; offer: string; checked: Checked; offline: boolean };

/** Why a scanned code is not shown; each has its own sentence. */
export type ScanFault = 'not-an-offer' | 'unverified' | 'templates' | 'expired' | 'not-possible';

/** The states that the server lists. A word that this app does not know yet is still an end. */
const ENDS: readonly string[] = ['approved', 'rejected', 'reported', 'expired', 'cancelled', 'consumed', 'lapsed'];
/** Refusals of a decision that are an answer, and what they mean for it. */
const REFUSALS: Record<string, State> = {
  'transaction-none': 'none', 'transaction-decided': 'decided', 'transaction-expired': 'expired', 'transaction-cancelled': 'cancelled',
  'decision-refused': 'refused', 'passkey-held': 'refused', 'token-none': 'token', 'token-expired': 'token', 'otp-locked': 'token',
};
/** Without a stream nobody asks more often than this. */
const POLL = 15_000;
/** A browser opens six connections to a server without HTTP/2; some must be left for asking and answering. */
const STREAMS = 3;
/** An offline answer that the bank cannot take now, because the token is locked, is worth trying again for this long. */
const OFFLINE_KEPT = 30 * 86_400_000;

const usable = (contract: Contract): boolean => contract.state === 'active' || contract.state === 'unknown';
const inSight = (): boolean => document.visibilityState === 'visible' && navigator.onLine;

class Transactions {
  /** What waits for an answer, with everything checked. */
  pending = $state.raw<Asked[]>([]);
  /** What was answered or ended, the newest first. */
  entries = $state.raw<Entry[]>([]);
  /** Contracts for which something came that could not be checked. */
  doubtful = $state.raw<string[]>([]);
  /** Whether the server has been asked since the app was opened, and whether it could be reached the last time. */
  asked = $state(false);
  reached = $state(false);
  /** The last sending of a decision failed; it is tried again by itself. */
  stuck = $state(false);
  /** The transaction whose approval the bank did not take last, because it has stopped transfers for a while. */
  frozen = $state('');

  #bundles = new Map<string, Bundle>();
  #started = false;
  #refreshing: Promise<void> | undefined;
  #again = false;
  #lastAsked = -Infinity;
  #listening = new Map<string, () => void>();
  #live = new Set<string>();
  #flushing: Promise<void> | undefined;
  #flushAgain = false;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('inkan-transactions') : undefined;

  /** Begins to listen and to ask. It may be called as often as one likes. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.load();
    const wake = (): void => {
      this.#listen();
      if (!inSight()) return;
      void this.refresh();
      void this.flush();
    };
    addEventListener('online', wake);
    addEventListener('offline', wake);
    document.addEventListener('visibilitychange', wake);
    this.#channel?.addEventListener('message', () => void this.load());
    if ('serviceWorker' in navigator) navigator.serviceWorker.addEventListener('message', (event) => { if (event.data === 'look') void this.refresh(); });
    setInterval(() => {
      if (!inSight() || performance.now() - this.#lastAsked < POLL) return;
      const unheard = wallet.contracts.filter((contract) => usable(contract) && !this.#live.has(contract.token));
      if (unheard.length > 0) void this.refresh(unheard);
    }, 5_000);
    // A contract that was added, or that has come into use, is listened for from then on.
    $effect.root(() => {
      let before = '';
      $effect(() => {
        const now = wallet.contracts.filter(usable).map((contract) => contract.token).join(' ');
        if (now === before) return;
        before = now;
        wake();
      });
    });
  }

  async load(): Promise<void> {
    try {
      this.entries = await ledger.entries();
    } catch {
      // What is open can still be answered, or it fails there and says so.
    }
  }

  async #changed(): Promise<void> {
    await this.load();
    this.#channel?.postMessage('changed');
  }

  #listen(): void {
    const wanted = inSight() ? wallet.contracts.filter(usable).slice(0, STREAMS) : [];
    for (const [token, stop] of this.#listening) {
      if (wanted.some((contract) => contract.token === token)) continue;
      stop();
      this.#listening.delete(token);
      this.#live.delete(token);
    }
    for (const contract of wanted) {
      if (this.#listening.has(contract.token)) continue;
      this.#listening.set(contract.token, listen({
        open: (signal) => api.events(contract, clock.now, signal),
        look: () => void this.refresh([contract]),
        live: (stands) => {
          if (stands) this.#live.add(contract.token);
          else this.#live.delete(contract.token);
        },
      }));
    }
  }

  /** Asks the server what waits. A call during another one makes it ask for everything once more: what just happened must not be missed. */
  refresh(contracts = wallet.contracts.filter(usable)): Promise<void> {
    if (this.#refreshing) {
      this.#again = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#askAll(contracts).finally(() => {
      this.#refreshing = undefined;
      if (this.#again) {
        this.#again = false;
        void this.refresh();
      }
    });
    return this.#refreshing;
  }

  async #askAll(contracts: Contract[]): Promise<void> {
    this.#lastAsked = performance.now();
    // The first of them finds out whether there is a network; the others would wait ten seconds each for the same answer.
    for (const contract of contracts) {
      try {
        await this.#ask(contract);
        this.reached = true;
      } catch (error) {
        if (error instanceof Problem) {
          this.reached = true;
          if (error.kind === 'proof-refused') void clock.measure();
        } else {
          this.reached = false;
          break;
        }
      }
    }
    // What belongs to a contract that is gone goes with it.
    this.pending = this.pending.filter(({ contract }) => wallet.contracts.some((other) => other.token === contract.token));
    // Before the contracts are read there is nobody to ask for, and that is no answer.
    this.asked = wallet.state !== 'loading';
    if (contracts.length === 0) this.reached = true;
    void pushing.follow(contracts);
  }

  async #ask(contract: Contract): Promise<void> {
    const known = await ledger.lastBundle(contract.issuer).catch(() => '');
    const list = await api.transactions(contract, clock.now, known);
    pushing.key = list.push_key;
    await verifying.learn(contract.token, list.verifiers);
    const offers: Asked[] = [];
    let doubt = false;
    const ended: Ended[] = [];
    try {
      const root = await this.#root(contract);
      const holder = await this.#holder(contract, root, list.issuer_key);
      await ledger.keepIssuerKey(contract.issuer, list.issuer_key).catch(() => undefined);
      if (list.templates !== '') {
        const bundle = await readTemplates(list.templates, contract.issuer, root);
        this.#bundles.set(bundle.hash, bundle);
        await ledger.keepBundle(contract.issuer, bundle.hash, list.templates).catch(() => undefined);
      }
      for (const { offer } of list.pending) {
        try {
          const checked = await this.#check(contract, holder, root, offer);
          if (alive(checked.document, clock.now)) offers.push({ contract, offer, checked, offline: false });
        } catch {
          doubt = true;
        }
      }
      for (const one of list.recent) {
        try {
          const document = await readOffer(one.offer, holder);
          ended.push({
            id: document.id,
            offer: one.offer,
            state: ENDS.includes(one.state) ? (one.state as State) : 'decided',
            at: one.decided === '' ? document.expires : time(one.decided),
            language: one.language === 'en' ? 'en' : 'ja',
          });
        } catch {
          // What cannot be checked is not filed either.
        }
      }
    } catch {
      doubt = list.pending.length > 0;
    }
    await ledger.learn(contract.token, ended).catch(() => undefined);
    await this.load();
    const others = this.pending.filter((asked) => asked.contract.token !== contract.token
      || (asked.offline && alive(asked.checked.document, clock.now) && !offers.some(({ offer }) => offer === asked.offer)));
    this.pending = [...others, ...offers];
    this.doubtful = [...this.doubtful.filter((token) => token !== contract.token), ...(doubt ? [contract.token] : [])];
  }

  async #root(contract: Contract): Promise<string> {
    const root = await store.knownRoot(contract.issuer);
    if (root === undefined) throw new Error('no root is pinned');
    return root;
  }

  async #holder(contract: Contract, root: string, envelope: string): Promise<Holder> {
    return checkHolder(contract.certificate, contract.token, await checkIssuerKey(envelope, contract.issuer, root, clock.now));
  }

  async #bundle(issuer: string, hash: string, root: string): Promise<Bundle> {
    const there = this.#bundles.get(hash);
    if (there?.issuer === issuer) return there;
    const envelope = await ledger.bundle(hash);
    if (envelope === undefined) throw new NoTemplates('these templates are not on this phone');
    const bundle = await readTemplates(envelope, issuer, root);
    this.#bundles.set(bundle.hash, bundle);
    return bundle;
  }

  async #check(contract: Contract, holder: Holder, root: string, offer: string): Promise<Checked> {
    const document = await readOffer(offer, holder);
    return checkOffer(offer, holder, await this.#bundle(contract.issuer, document.templates, root));
  }

  /** An ended transaction, checked again, for the history. Without its templates or its contract there is nothing to show. */
  async read(entry: Entry): Promise<Checked | undefined> {
    const contract = wallet.contracts.find((other) => other.token === entry.token);
    if (!contract) return undefined;
    try {
      const root = await this.#root(contract);
      const envelope = await ledger.issuerKey(contract.issuer);
      return await this.#check(contract, await this.#holder(contract, root, envelope ?? ''), root, entry.offer);
    } catch {
      return undefined;
    }
  }

  /** Takes an offer from a QR code. It is the transaction's id, or why it is not shown. */
  async scan(text: string): Promise<{ id: string } | { fault: ScanFault }> {
    let offer: string;
    if (typeof DecompressionStream === 'undefined') return { fault: 'not-possible' };
    try {
      offer = await offerFromQR(text);
    } catch {
      return { fault: 'not-an-offer' };
    }
    let fault: ScanFault = 'unverified';
    for (const contract of wallet.contracts) {
      try {
        const envelope = await ledger.issuerKey(contract.issuer);
        if (envelope === undefined) {
          fault = 'templates';
          continue;
        }
        const root = await this.#root(contract);
        const checked = await this.#check(contract, await this.#holder(contract, root, envelope), root, offer);
        const { id } = checked.document;
        if (this.entries.some((entry) => entry.id === id)) return { id };
        if (!alive(checked.document, clock.now)) return { fault: 'expired' };
        this.pending = [...this.pending.filter((asked) => asked.checked.document.id !== id), { contract, offer, checked, offline: true }];
        return { id };
      } catch (error) {
        // It was signed for this contract, and only the words to show it by are missing.
        if (error instanceof NoTemplates) fault = 'templates';
      }
    }
    return { fault };
  }

  /**
   * Stores the customer's answer and begins to send it. What was shown is signed with it. An approval she confirms with her fingerprint, face
   * or screen lock where she has registered it: without that nothing is stored, and a `NotConfirmed` says why.
   */
  async decide(asked: Asked, language: Language, answer: Answer, reason: Reason): Promise<void> {
    const { contract, checked } = asked;
    const now = clock.now;
    if (!alive(checked.document, now)) return;
    const rendering = render(checked, language);
    await verifying.load(contract.token);
    const verifier = answer === 'approve' ? verifying.of(contract.token, now) : undefined;
    const verification = verifier ? 'webauthn' : 'none';
    try {
      await ledger.decide(
        { token: contract.token, id: checked.document.id, offer: asked.offer, at: now, answer, language, offline: asked.offline },
        async (counter, previous) => {
          const parts = { document: checked.document, rendering, language, answer, reason, now, counter, previous, verification } as const;
          const decision = await makeDecision(parts, contract.token, contract.signingKey);
          return { decision, assertion: verifier ? await verifying.confirm(verifier.credential, decision) : '' };
        },
      );
    } catch (error) {
      // Another window was faster: its answer is the one that counts, and the screen shows it.
      if (!(error instanceof AlreadyAnswered)) throw error;
    }
    this.stuck = false;
    this.frozen = '';
    this.#attempt = 0;
    await this.#changed();
    void this.flush();
  }

  /** Sends what has not been answered. A call during another one makes that one go round once more. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#flushing) {
      this.#flushAgain = true;
      return this.#flushing;
    }
    this.#flushing = (async () => {
      do {
        this.#flushAgain = false;
        await this.#flushAll();
      } while (this.#flushAgain);
    })().finally(() => { this.#flushing = undefined; });
    return this.#flushing;
  }

  async #flushAll(): Promise<void> {
    const send = async (): Promise<boolean> => {
      let good = true;
      for (const entry of await ledger.unsent()) {
        const contract = wallet.contracts.find((other) => other.token === entry.token);
        if (contract && !(await this.#send(contract, entry))) good = false;
      }
      return good;
    };
    let good = false;
    try {
      // Two windows must not send at once, though it would do no harm.
      good = 'locks' in navigator ? await navigator.locks.request('inkan-decisions', send) : await send();
    } catch {
      // The database did not open; the next attempt may find it.
    }
    await this.#changed();
    this.stuck = !good;
    clearTimeout(this.#timer);
    if (good) this.#attempt = 0;
    else this.#timer = setTimeout(() => void this.flush(), pauseAfter(++this.#attempt));
  }

  /** Sends one decision. It says whether there was an answer; without one the same bytes go again. */
  async #send(contract: Contract, entry: Entry): Promise<boolean> {
    try {
      const state = await api.decide(contract, clock.now, entry.decision, entry.assertion ?? '');
      await ledger.settle(entry, ENDS.includes(state) ? (state as State) : 'decided');
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) return false;
      if (error.kind === 'proof-refused') void clock.measure();
      if (error.kind === 'key-renewed') {
        // It was signed with keys that have been renewed since. Where this phone has the new ones, the customer is asked again; where it waits for their receipt, so does this answer.
        wallet.onrenewed?.();
        const now = await store.contract(contract.token);
        if (now?.generation !== contract.generation) void wallet.load(); // another window has renewed them
        if (now?.next || now?.generation !== contract.generation) return false;
        await ledger.withdraw(entry);
        void this.refresh();
        return true;
      }
      if (error.kind === 'transfers-frozen') {
        // It still waits at the bank: she can turn it down or report it now, or approve it when transfers are possible again.
        this.frozen = entry.id;
        await ledger.withdraw(entry);
        void this.refresh();
        return true;
      }
      const state = REFUSALS[error.kind];
      if (state === undefined) return false;
      if (state === 'token' && entry.offline && clock.now < entry.at + OFFLINE_KEPT) return false;
      // A decision that came later than another one says how that one ended, if the server does.
      await ledger.settle(entry, state === 'decided' && ENDS.includes(error.state) ? (error.state as State) : state);
      void this.refresh();
      return true;
    }
  }

  /** A contract was deleted from this phone. */
  async forget(contract: Contract): Promise<void> {
    this.pending = this.pending.filter((asked) => asked.contract.token !== contract.token);
    this.#listen();
    await ledger.forget(contract.token).catch(() => undefined);
    await this.#changed();
    await pushing.leave(contract);
  }
}

/** The document is good, but the templates that it names have never come to this phone. */
class NoTemplates extends Error {}

export const transactions = new Transactions();
