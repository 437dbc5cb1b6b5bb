// The shared vectors of the user verification: what this phone signs, and what its authenticator is asked to sign. And the way from a press to a
// confirmation: what was cancelled leaves nothing behind.

import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, expect, test, vi } from 'vitest';
import vectors from '../../../testdata/vectors/verifier.json';
import { fromBase64url, toBase64url, type Bytes } from '../src/protocol/bytes.ts';
import { time } from '../src/protocol/canonical.ts';
import { publicJwk, verifyWithKid } from '../src/protocol/jws.ts';
import { makeSigningPair } from '../src/protocol/keys.ts';
import { challengeOf, creationOptions, joinAssertion, makeRemoval, makeVerifier } from '../src/protocol/verifier.ts';
import type { Contract } from '../src/store.ts';
import { Bank, NOW } from './bank.ts';

const unhex = (hex: string): Bytes => new Uint8Array((hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
const buffer = (bytes: Bytes): ArrayBuffer => bytes.buffer;
const signed = (envelope: string): string[] => envelope.split('.').slice(0, 2);

test.each(vectors)('user verification: $note', async (vector) => {
  const { privateKey } = await makeSigningPair();
  const at = time(vector.time);
  expect(signed(await makeVerifier(vector.credential, publicJwk(vector.public_key), at, vector.token, privateKey))).toEqual(signed(vector.verifier));
  expect(signed(await makeRemoval(vector.credential, at, vector.token, privateKey))).toEqual(signed(vector.removal));
  await verifyWithKid(vector.verifier, 'inkan-verifier+jws', publicJwk(vector.device_signing_key), vector.token);
  await verifyWithKid(vector.removal, 'inkan-verifier-removal+jws', publicJwk(vector.device_signing_key), vector.token);
  expect(toBase64url(await challengeOf(vector.decision))).toBe(vector.challenge);
  const signature = fromBase64url(vector.assertion.split('.')[3]!);
  expect(joinAssertion(vector.credential, {
    clientDataJSON: buffer(new TextEncoder().encode(vector.client_data)), authenticatorData: buffer(unhex(vector.authenticator_data_hex)), signature: buffer(signature),
  })).toBe(vector.assertion);
});

test('the options of the server become those of the browser', () => {
  const made = creationOptions({ challenge: 'AQID', rp: { id: 'token.bank.example', name: '印鑑銀行' }, user: { id: 'BAUG', name: 'a', displayName: 'b' }, excludeCredentials: [{ id: 'BwgJ', type: 'public-key' }] });
  expect(new Uint8Array(made.challenge as ArrayBuffer)).toEqual(new Uint8Array([1, 2, 3]));
  expect(new Uint8Array(made.user.id as ArrayBuffer)).toEqual(new Uint8Array([4, 5, 6]));
  expect(made.rp.id).toBe('token.bank.example');
  expect(made.excludeCredentials!.map(({ id, type }) => [...new Uint8Array(id as ArrayBuffer), type])).toEqual([[7, 8, 9, 'public-key']]);
});

const CREDENTIAL = toBase64url(new Uint8Array(32).fill(7));
const known = (change: Partial<import('../src/desk-api.ts').Verifier> = {}) => ({ credential: CREDENTIAL, state: 'active' as const, since: NOW - 1000, usable: NOW - 1000, ...change });

let bank: Bank;
let contract: Contract;
let transactions: (typeof import('../src/transactions.svelte.ts'))['transactions'];
let verifying: (typeof import('../src/verifier.svelte.ts'))['verifying'];
let ledger: typeof import('../src/ledger.ts');
/** What the phone was asked to confirm, and what it does. */
let challenges: string[];
let touch: () => Promise<void>;

async function open(): Promise<void> {
  vi.resetModules();
  const { wallet } = await import('../src/wallet.svelte.ts');
  const { clock } = await import('../src/clock.svelte.ts');
  ledger = await import('../src/ledger.ts');
  ({ transactions } = await import('../src/transactions.svelte.ts'));
  ({ verifying } = await import('../src/verifier.svelte.ts'));
  clock.now = NOW;
  await wallet.load();
  await transactions.load();
}

beforeEach(async () => {
  challenges = [];
  touch = async () => undefined;
  vi.stubGlobal('indexedDB', new IDBFactory());
  vi.stubGlobal('BroadcastChannel', undefined);
  const get = async ({ publicKey }: { publicKey: PublicKeyCredentialRequestOptions }): Promise<unknown> => {
    expect(publicKey.userVerification).toBe('required');
    expect(publicKey.allowCredentials!.map(({ id }) => toBase64url(new Uint8Array(id as ArrayBuffer)))).toEqual([CREDENTIAL]);
    challenges.push(toBase64url(new Uint8Array(publicKey.challenge as ArrayBuffer)));
    await touch();
    const part = (byte: number): ArrayBuffer => new Uint8Array([byte]).buffer;
    return { rawId: new Uint8Array(32).fill(7).buffer, response: { clientDataJSON: part(1), authenticatorData: part(2), signature: part(3) } };
  };
  vi.stubGlobal('navigator', { onLine: true, language: 'ja', userAgent: '', credentials: { get } });
  vi.stubGlobal('document', { visibilityState: 'visible' });
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
  vi.stubGlobal('setTimeout', ((work: () => void, pause = 0) => (pause > 500 ? 0 : (queueMicrotask(work), 0))) as unknown as typeof setTimeout);
  bank = await Bank.make();
  vi.stubGlobal('fetch', bank.fetch);
  vi.resetModules();
  contract = await bank.enrol(await import('../src/store.ts'));
  await open();
});

async function ask(): Promise<void> {
  bank.pending = [(await bank.offer()).offer];
  await transactions.refresh();
}

const decisions = (): Record<string, string>[] => bank.calls.filter(({ path }) => path === '/v1/decisions').map(({ body }) => JSON.parse(body) as Record<string, string>);

test('an approval is confirmed over the very decision, and both are sent until they are answered', async () => {
  bank.verifiers = [{ ...known(), since: '2026-11-22T01:00:00Z', usable: '2026-11-22T01:00:00Z' }];
  await ask();
  bank.away = true;
  await transactions.decide(transactions.pending[0]!, 'ja', 'approve', '');
  const [stored] = await ledger.unsent();
  expect(stored!.assertion).toBe(`${CREDENTIAL}.AQ.Ag.Aw`);
  expect(bank.said(stored!.decision)['verification']).toBe('webauthn');
  expect(challenges).toEqual([toBase64url(await challengeOf(stored!.decision))]);
  await open();
  bank.away = false;
  await transactions.flush();
  expect(decisions()).toEqual([{ decision: stored!.decision, assertion: stored!.assertion }]);
  expect(transactions.entries.map(({ state }) => state)).toEqual(['approved']);
});

test('without a network it is remembered by what approvals are confirmed', async () => {
  await ask();
  const [asked] = transactions.pending;
  await verifying.learn(contract.token, [known()]);
  await open();
  await transactions.decide(asked!, 'ja', 'approve', '');
  expect(challenges).toHaveLength(1);
});

test.each([['NotAllowedError', 'cancelled'], ['SecurityError', 'failed']])('%s: nothing is stored, nothing is sent, and every answer is still possible', async (name, why) => {
  await ask();
  await verifying.learn(contract.token, [known()]);
  touch = async () => { throw new DOMException('no', name); };
  await expect(transactions.decide(transactions.pending[0]!, 'ja', 'approve', '')).rejects.toMatchObject({ why });
  await transactions.flush();
  expect(await ledger.entries()).toEqual([]);
  expect(decisions()).toEqual([]);
  await transactions.decide(transactions.pending[0]!, 'ja', 'reject', '');
  await transactions.flush();
  expect(bank.said(bank.decisions[0]!)).toMatchObject({ answer: 'reject', verification: 'none', counter: '1' });
  expect(decisions()[0]).not.toHaveProperty('assertion');
});

test('a new one takes the place of the one before when its time has come, and one that was stopped is not passed over', () => {
  const next = known({ credential: 'next', state: 'resting', usable: NOW + 1000 });
  verifying.known = { a: [known(), next], b: [known({ state: 'held' })], c: [known({ state: 'held' }), next] };
  expect(verifying.of('a', NOW)!.credential).toBe(CREDENTIAL);
  expect(verifying.of('a', NOW + 1000)!.credential).toBe('next');
  expect(verifying.of('b', NOW)!.state).toBe('held');
  expect(verifying.of('c', NOW)!.state).toBe('held');
  expect(verifying.of('c', NOW + 1000)!.credential).toBe('next');
  expect(verifying.of('none', NOW)).toBeUndefined();
});

test('what belongs to a contract that is deleted goes with it', async () => {
  await verifying.learn(contract.token, [known()]);
  expect(await ledger.verifiers(contract.token)).toHaveLength(1);
  await ledger.forget(contract.token);
  expect(await ledger.verifiers(contract.token)).toEqual([]);
});
