// A renewal on the phone: killed between any two steps of the database or the network it goes on where it was, and at every moment the phone has the keys that are in use.

import 'fake-indexeddb/auto';
import { IDBDatabase, IDBFactory } from 'fake-indexeddb';
import { beforeEach, expect, test, vi } from 'vitest';
import { password } from '../src/protocol/otp.ts';
import type { Contract } from '../src/store.ts';
import { Issuer, TOKEN } from './issuer.ts';
import { Renewals } from './renewing.ts';

const NOW = Date.UTC(2026, 10, 22, 1, 2, 10);
const issuer = await Issuer.make();

let server: Renewals;
let store: typeof import('../src/store.ts');
let renewal: (typeof import('../src/renewal.svelte.ts'))['renewal'];
let clock: (typeof import('../src/clock.svelte.ts'))['clock'];

/** Counts the steps of a run; at one of them the app is killed: nothing that it does afterwards reaches the database or the network, and nothing reaches it. */
class Life {
  steps = 0;
  dead = false;
  constructor(readonly until = Infinity) {}
  step(): boolean {
    if (!this.dead && this.steps++ >= this.until) this.dead = true;
    return !this.dead;
  }
}
let life: Life;
let away: (path: string, when: 'request' | 'answer') => boolean;
let died: () => void;

async function fetching(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const mine = life;
  const path = new URL(String(input), 'https://token.bank.example').pathname;
  const hang = (): Promise<never> => { died(); return new Promise(() => undefined); };
  if (!mine.step()) return hang();
  if (away(path, 'request')) throw new TypeError('no network');
  const response = await server.answer(path, JSON.parse(typeof init.body === 'string' ? init.body : '{}') as Record<string, string>);
  if (!mine.step()) return hang();
  if (away(path, 'answer')) throw new TypeError('the answer was lost');
  return response;
}

const transaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (this: IDBDatabase, stores: string | string[], mode?: IDBTransactionMode, ...rest: never[]) {
  if (mode === 'readwrite' && !life.step()) {
    died();
    throw new Error('killed');
  }
  return transaction.call(this, stores, mode, ...rest);
} as typeof transaction;

/** Opens the app: all modules anew, over the database as it is. */
async function open(until = Infinity): Promise<void> {
  life = new Life();
  vi.resetModules();
  const { wallet } = await import('../src/wallet.svelte.ts');
  store = await import('../src/store.ts');
  ({ clock } = await import('../src/clock.svelte.ts'));
  ({ renewal } = await import('../src/renewal.svelte.ts'));
  clock.now = NOW;
  await wallet.load();
  life = new Life(until);
}

beforeEach(async () => {
  life = new Life();
  away = () => false;
  died = () => undefined;
  vi.stubGlobal('indexedDB', new IDBFactory());
  vi.stubGlobal('BroadcastChannel', undefined);
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('navigator', { onLine: true, language: 'ja', userAgent: '' });
  vi.stubGlobal('document', { visibilityState: 'visible', addEventListener: () => undefined });
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
  // Sending is tried again after a pause that no test waits for.
  vi.stubGlobal('setTimeout', ((work: () => void, pause = 0) => (pause > 500 ? 0 : (queueMicrotask(work), 0))) as unknown as typeof setTimeout);
  vi.stubGlobal('fetch', fetching);
  vi.spyOn(Date, 'now').mockReturnValue(NOW);
  server = new Renewals(issuer, () => NOW);
  vi.resetModules();
  await server.enrol(await import('../src/store.ts'), NOW + 100 * 86_400_000);
  await open();
});

const contract = async (): Promise<Contract> => (await store.contract(TOKEN))!;

/** The phone has the keys in use: as its own, or as the next ones of which the receipt is missing. */
async function held(): Promise<'own' | 'next' | 'none'> {
  const { signingKey, otpKey, next } = await contract();
  if (await server.opens(signingKey, otpKey)) return 'own';
  if (next?.answered && (await server.opens(next.signing.privateKey, next.answered.otpKey))) return 'next';
  return 'none';
}

async function finished(generation = '2'): Promise<void> {
  const now = await contract();
  expect({ next: now.next, generation: now.generation, state: now.state }).toEqual({ next: undefined, generation, state: 'active' });
  expect(await held()).toBe('own');
  expect(now.expires).toBe(Date.UTC(2029, 10, 22, 1, 2, 3));
}

test('one press renews, and the agreement key is gone', async () => {
  const before = await contract();
  await renewal.start(TOKEN);
  expect(renewal.of(TOKEN)).toEqual({ at: 'done' });
  await finished();
  const after = await contract();
  expect(await server.opens(before.signingKey, before.otpKey)).toBe(false);
  expect(await password(after.otpKey, 1)).not.toBe(await password(before.otpKey, 1));
  expect(server.requests).toHaveLength(1);
  for (const key of [after.signingKey, after.otpKey, after.ocraKey]) expect(key.extractable).toBe(false);
});

test('killed between any two steps it goes on where it was, with exactly one usable set of keys at the end', async () => {
  await renewal.start(TOKEN);
  const steps = life.steps;
  expect(steps).toBeGreaterThanOrEqual(7); // three writes, and two requests that each have a way there and a way back
  for (let kill = 0; kill < steps; kill++) {
    vi.stubGlobal('indexedDB', new IDBFactory());
    server = new Renewals(issuer, () => NOW);
    life = new Life();
    vi.resetModules();
    await server.enrol(await import('../src/store.ts'), NOW + 100 * 86_400_000);
    await open(kill);
    const dead = new Promise<void>((resolve) => { died = resolve; });
    await Promise.race([renewal.start(TOKEN), dead]);
    await open(); // somebody opens the app again
    expect(await held(), `killed at step ${kill}`).not.toBe('none');
    const { next } = await contract();
    if (next) await renewal.retry(TOKEN);
    else if ((await contract()).generation === '1') await renewal.start(TOKEN);
    await finished();
    expect(new Set(server.requests).size, `killed at step ${kill}`).toBe(1);
  }
});

test.each(['/v1/renewals request', '/v1/renewals answer', '/v1/renewals/confirmation request', '/v1/renewals/confirmation answer'])('lost on the way: %s', async (where) => {
  let lost = 3;
  away = (path, when) => where === `${path} ${when}` && lost-- > 0;
  await renewal.start(TOKEN);
  for (let again = 0; again < 3; again++) {
    expect(renewal.of(TOKEN)).toMatchObject({ at: 'waiting', why: 'offline' });
    expect(await held()).not.toBe('none');
    await renewal.retry(TOKEN);
  }
  expect(renewal.of(TOKEN)).toEqual({ at: 'done' });
  await finished();
  expect(new Set(server.requests).size).toBe(1);
});

test('two windows at once make one renewal', async () => {
  await Promise.all([renewal.start(TOKEN), renewal.start(TOKEN)]);
  const first = renewal;
  await finished();
  await open();
  expect(renewal).not.toBe(first);
  renewal.resume();
  expect(renewal.of(TOKEN)).toEqual({ at: 'idle' });
  // A second window that began between the first one's look and its write finds the first one's keys.
  const { next: none } = await contract();
  expect(none).toBeUndefined();
  expect(server.renewals.size).toBe(1);
});

test.each(['renewal-early', 'renewal-late', 'renewal-number-wrong', 'renewal-none', 'renewal-refused', 'service-stopped', 'otp-locked', 'token-none', 'malformed'])('a definite refusal of R1 (%s) drops the next keys and nothing else', async (kind) => {
  server.refuse['/v1/renewals'] = { kind, tries_left: 4 };
  await renewal.start(TOKEN, '12345678');
  expect(renewal.of(TOKEN)).toEqual({ at: 'refused', why: kind, triesLeft: 4 });
  expect((await contract()).next).toBeUndefined();
  expect(await held()).toBe('own');
  server.refuse = {};
  await renewal.start(TOKEN);
  await finished();
});

test('a definite refusal of R2 drops the next keys, and a new renewal takes its place', async () => {
  server.refuse['/v1/renewals/confirmation'] = { kind: 'renewal-burnt', status: 410 };
  await renewal.start(TOKEN);
  expect(renewal.of(TOKEN)).toMatchObject({ at: 'refused', why: 'renewal-burnt' });
  expect(await held()).toBe('own');
  server.refuse = {};
  await renewal.start(TOKEN);
  await finished();
  expect(server.renewals.size).toBe(2);
});

test.each([['unavailable', 503], ['throttled', 429], ['proof-refused', 401], ['conflict', 409]])('%s decides nothing: the keys stay and it is tried again', async (kind, status) => {
  for (const path of ['/v1/renewals', '/v1/renewals/confirmation']) {
    server.refuse = { [path]: { kind: String(kind), status: Number(status) } };
    await renewal.start(TOKEN);
    expect(renewal.of(TOKEN).at).toBe('waiting');
    expect((await contract()).next).toBeDefined();
    expect(await held()).toBe('own');
  }
  server.refuse = {};
  await renewal.retry(TOKEN);
  await finished();
});

test('a code that the clock made wrong is made again', async () => {
  server.wrongCodes = 1;
  await renewal.start(TOKEN);
  expect(renewal.of(TOKEN)).toEqual({ at: 'done' });
  await finished();
});

test.each([
  ['an answer for another token', { answer: { token: 'tok_01jd5q2k3m4n5p6q7r8s9t0v1x' } }],
  ['an answer to another request', { answer: { request: 'AAAA' } }],
  ['a certificate of another generation', { certificate: { generation: '3' } }],
  ['a certificate of another customer', { certificate: { customer: 'cus_00000000000000000000000000' } }],
  ['a certificate of another key', { certificate: { key: 'AAAA' } }],
  ['a receipt for another key', { receipt: { key: 'AAAA' } }],
  ['a receipt for another renewal', { receipt: { renewal: 'AAAAAAAAAAAAAAAAAAAAAA' } }],
  ['a receipt of another generation', { receipt: { generation: '3' } }],
])('%s is not believed: the keys before stay', async (_, lie) => {
  server.lie = lie;
  const before = await contract();
  await renewal.start(TOKEN);
  expect(renewal.of(TOKEN)).toEqual({ at: 'stopped', why: 'unverified' });
  const now = await contract();
  expect(now.generation).toBe('1');
  expect(await password(now.otpKey, 1)).toBe(await password(before.otpKey, 1));
  expect(now.next).toBeDefined();
});

test('another root than the one first seen stops it', async () => {
  server = Object.assign(new Renewals(await Issuer.make(), () => NOW), { inUse: server.inUse });
  await renewal.start(TOKEN);
  expect(renewal.of(TOKEN)).toEqual({ at: 'stopped', why: 'wrong-root' });
  expect((await contract()).generation).toBe('1');
});
