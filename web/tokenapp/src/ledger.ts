// What this phone keeps of transactions: its answers, with the chain that joins them, and what ended. A database of its own beside
// the one with the keys: it is opened only when it is needed, and whatever happens to it never stands in the way of a password.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { Verifier } from './desk-api.ts';
import type { Answer } from './protocol/decision.ts';
import type { Language } from './protocol/render.ts';
import { hashOf } from './protocol/templates.ts';

/** The server's word for how it ended, or this phone's: `waiting` until an answer came, and the refusals that are an answer too. */
export type State =
  | 'waiting' | 'approved' | 'rejected' | 'reported' | 'expired' | 'cancelled' | 'consumed' | 'lapsed'
  | 'decided' | 'none' | 'refused' | 'token';

export type Entry = {
  token: string;
  /** The transaction. */
  id: string;
  offer: string;
  state: State;
  /** When it was answered or ended, by the corrected clock. */
  at: number;
  /** What was answered on this phone; empty if nothing was. */
  answer: Answer | '';
  /** The language in which it was shown when it was answered. */
  language: Language;
  /** The decision: the bytes that are sent until they are answered. */
  decision: string;
  /** The customer's confirmation of the decision, sent with it; empty where none was asked for, and missing in what older versions of the app have stored. */
  assertion?: string;
  counter: number;
  /** Answered where there was no network. */
  offline: boolean;
};

/** How far this device's decisions have come. */
type Chain = { token: string; counter: number; previous: string };

interface Schema extends DBSchema {
  entries: { key: [string, string]; value: Entry };
  chains: { key: string; value: Chain };
  known: { key: string; value: string };
}

/** As many ended transactions are kept for each contract; the server lists twenty. */
const KEPT = 40;
const BUNDLES = 8;

let opened: Promise<IDBPDatabase<Schema>> | undefined;

function database(): Promise<IDBPDatabase<Schema>> {
  opened ??= openDB<Schema>('inkan-transactions', 1, {
    upgrade(db) {
      db.createObjectStore('entries', { keyPath: ['token', 'id'] });
      db.createObjectStore('chains', { keyPath: 'token' });
      db.createObjectStore('known');
    },
    terminated() {
      opened = undefined;
    },
  }).catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

/** Everything, the newest first. */
export async function entries(): Promise<Entry[]> {
  const all = await (await database()).getAll('entries');
  return all.sort((a, b) => b.at - a.at || b.counter - a.counter);
}

/** What has not been answered by the server, in the order in which it was decided. */
export async function unsent(): Promise<Entry[]> {
  return (await entries()).filter((entry) => entry.state === 'waiting').sort((a, b) => a.counter - b.counter);
}

/** The transaction has been answered on this phone already, perhaps in another window. */
export class AlreadyAnswered extends Error {}

/** What is known of an answer before its place in the chain is. */
export type Draft = Omit<Entry, 'decision' | 'assertion' | 'counter' | 'state'>;

/** What was signed, and the customer's confirmation of it. */
export type Signed = { decision: string; assertion: string };

/**
 * Stores a decision with its confirmation before they are sent, and moves the chain on in the same write. Signing takes place between two
 * writes, since a write cannot wait for it; if another window decided something in between, the place is taken and it is signed anew.
 */
export async function decide(draft: Draft, sign: (counter: number, previous: string) => Promise<Signed>): Promise<Entry> {
  const db = await database();
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = await db.get('chains', draft.token);
    const counter = (before?.counter ?? 0) + 1;
    const { decision, assertion } = await sign(counter, before?.previous ?? '');
    const entry: Entry = { ...draft, decision, assertion, counter, state: 'waiting' };
    const next: Chain = { token: draft.token, counter, previous: await hashOf(decision) };

    const tx = db.transaction(['entries', 'chains'], 'readwrite');
    const there = await tx.objectStore('entries').get([draft.token, draft.id]);
    const now = await tx.objectStore('chains').get(draft.token);
    if (there) throw new AlreadyAnswered(draft.id);
    if ((now?.counter ?? 0) + 1 !== counter) continue;
    await tx.objectStore('entries').add(entry);
    await tx.objectStore('chains').put(next);
    await tx.done;
    return entry;
  }
  throw new Error('another window decides all the time');
}

/** Writes down what the server said to a decision. */
export async function settle(entry: Entry, state: State): Promise<void> {
  const tx = (await database()).transaction('entries', 'readwrite');
  const there = await tx.store.get([entry.token, entry.id]);
  if (there?.decision === entry.decision) await tx.store.put({ ...there, state });
  await tx.done;
}

/** Takes back a decision that the server has not taken and never will: what it was about can be answered again. */
export async function withdraw(entry: Entry): Promise<void> {
  const tx = (await database()).transaction('entries', 'readwrite');
  const there = await tx.store.get([entry.token, entry.id]);
  if (there?.decision === entry.decision) await tx.store.delete([entry.token, entry.id]);
  await tx.done;
}

/** An ended transaction as the server lists it. */
export type Ended = Pick<Entry, 'id' | 'offer' | 'state' | 'at' | 'language'>;

/** Takes over what the server lists. An answer that is still under way is not touched: its own request will be answered. */
export async function learn(token: string, ended: Ended[]): Promise<void> {
  const tx = (await database()).transaction('entries', 'readwrite');
  for (const one of ended) {
    const there = await tx.store.get([token, one.id]);
    if (there?.state === 'waiting') continue;
    if (there) await tx.store.put({ ...there, state: one.state });
    else await tx.store.put({ ...one, token, answer: '', decision: '', counter: 0, offline: false });
  }
  const own = (await tx.store.getAll()).filter((entry) => entry.token === token && entry.state !== 'waiting').sort((a, b) => b.at - a.at);
  for (const old of own.slice(KEPT)) await tx.store.delete([token, old.id]);
  await tx.done;
}

/** Forgets a contract that was deleted from this phone. */
export async function forget(token: string): Promise<void> {
  const tx = (await database()).transaction(['entries', 'chains', 'known'], 'readwrite');
  for (const key of await tx.objectStore('entries').getAllKeys()) {
    if (key[0] === token) await tx.objectStore('entries').delete(key);
  }
  await tx.objectStore('chains').delete(token);
  await tx.objectStore('known').delete('verifiers:' + token);
  await tx.done;
}

/** A bundle of templates by its hash, as its envelope; it is checked anew whenever it is read. */
export async function bundle(hash: string): Promise<string | undefined> {
  return (await database()).get('known', 'templates:' + hash);
}

/** The hash of the bundle that came last. */
export async function lastBundle(issuer: string): Promise<string> {
  return (await (await database()).get('known', 'last:' + issuer)) ?? '';
}

/** Keeps a bundle. The last few stay, since the history is shown by the templates of its time. */
export async function keepBundle(issuer: string, hash: string, envelope: string): Promise<void> {
  const tx = (await database()).transaction('known', 'readwrite');
  const order = ((await tx.store.get('bundles')) ?? '').split(' ').filter((other) => other !== '' && other !== hash);
  for (const old of order.splice(BUNDLES - 1)) await tx.store.delete('templates:' + old);
  await tx.store.put([hash, ...order].join(' '), 'bundles');
  await tx.store.put(envelope, 'templates:' + hash);
  await tx.store.put(hash, 'last:' + issuer);
  await tx.done;
}

/** The issuer key as the root vouched for it, for the time when there is no network. */
export async function issuerKey(issuer: string): Promise<string | undefined> {
  return (await database()).get('known', 'issuer:' + issuer);
}

export async function keepIssuerKey(issuer: string, envelope: string): Promise<void> {
  await (await database()).put('known', envelope, 'issuer:' + issuer);
}

/** By what approvals of a token are confirmed, as the server said it last. */
export async function verifiers(token: string): Promise<Verifier[]> {
  return JSON.parse((await (await database()).get('known', 'verifiers:' + token)) ?? '[]') as Verifier[];
}

export async function keepVerifiers(token: string, list: Verifier[]): Promise<void> {
  await (await database()).put('known', JSON.stringify(list), 'verifiers:' + token);
}

/** Under which endpoint the server knows how to wake a token; empty if it does not. */
export async function pushedTo(token: string): Promise<string> {
  return (await (await database()).get('known', 'push:' + token)) ?? '';
}

export async function keepPushedTo(token: string, endpoint: string): Promise<void> {
  await (await database()).put('known', endpoint, 'push:' + token);
}
