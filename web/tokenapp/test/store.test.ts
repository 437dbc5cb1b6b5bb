import 'fake-indexeddb/auto';
import { beforeEach, expect, test, vi } from 'vitest';
import { IDBFactory } from 'fake-indexeddb';
import { exportPublic, thumbprint } from '../src/protocol/jws.ts';
import { makeAgreementPair, makeSigningPair } from '../src/protocol/keys.ts';
import { password } from '../src/protocol/otp.ts';
import { checkAnswer, deriveKeys, makeRequest, type Registered } from '../src/protocol/registration.ts';
import type { Pending } from '../src/store.ts';
import { ISSUER, Issuer } from './issuer.ts';

type Store = typeof import('../src/store.ts');
let store: Store;

beforeEach(async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  const local = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => local.get(key) ?? null,
    setItem: (key: string, value: string) => local.set(key, value),
    removeItem: (key: string) => local.delete(key),
  });
  vi.resetModules();
  store = await import('../src/store.ts');
});

async function request(): Promise<Pending> {
  const [signing, agreement] = await Promise.all([makeSigningPair(), makeAgreementPair()]);
  return {
    id: 'registration', issuer: ISSUER, signing, agreement, key: '8271427994702790', root: '', started: 0,
    device: await thumbprint(await exportPublic(signing.publicKey)),
    envelope: await makeRequest({ issuer: ISSUER, key: { form: 'typed', enrolment: '', key: '8271427994702790', root: '' }, number: '12345678', platform: '' }, signing, agreement),
  };
}

let last = 0;
async function finish(pending: Pending, issuer: Issuer): Promise<Registered> {
  const token = 'tok_01jd5q2k3m4n5p6q7r8s9t' + String(last++).padStart(4, '0');
  const { answer } = await issuer.answer(pending.envelope, {}, token);
  const registered = await checkAnswer(answer, { issuer: ISSUER, registration: pending.envelope, device: pending.device, roots: [] });
  await store.complete(pending, registered, await deriveKeys(pending.agreement.privateKey, registered, pending.envelope, answer.answer, ISSUER), 1);
  return registered;
}

test('a registration is stored before it is sent, and a second one cannot replace its keys', async () => {
  const first = await request();
  await store.begin(first);
  await expect(store.begin(await request())).rejects.toMatchObject({ name: 'ConstraintError' });
  expect((await store.pending())?.envelope).toBe(first.envelope);
});

test('the keys of an interrupted registration still finish it', async () => {
  await store.begin(await request());
  const again = (await store.pending())!;
  await finish(again, await Issuer.make());
  expect(await store.pending()).toBeUndefined();
  const [contract] = await store.contracts();
  expect(contract!.state).toBe('keyed');
  expect(await password(contract!.otpKey, 1)).toMatch(/^\d{6}$/);
  expect(store.hadContracts()).toBe(true);
});

test('finishing twice makes one contract and keeps what the customer changed meanwhile', async () => {
  const pending = await request();
  await store.begin(pending);
  const issuer = await Issuer.make();
  const registered = await finish(pending, issuer);
  await store.rename(registered.token, '生活費');
  last--;
  await finish(pending, issuer);
  expect((await store.contracts()).map((contract) => contract.name)).toEqual(['生活費']);
});

test('another root is refused once one was seen, and nothing is written', async () => {
  const issuer = await Issuer.make();
  const one = await request();
  await store.begin(one);
  await finish(one, issuer);
  expect(await store.knownRoot(ISSUER)).toBe(issuer.rootThumbprint);
  const two = await request();
  await store.begin(two);
  await expect(finish(two, await Issuer.make())).rejects.toThrow('not the one first seen');
  expect(await store.contracts()).toHaveLength(1);
  expect((await store.pending())?.envelope).toBe(two.envelope);
});

test('a refusal drops the registration it belongs to and no other', async () => {
  const old = await request();
  const current = await request();
  await store.begin(current);
  await store.drop(old);
  expect(await store.pending()).toBeDefined();
  await store.drop(current);
  expect(await store.pending()).toBeUndefined();
});

test('ten contracts: order, names, and deletion one by one', async () => {
  const issuer = await Issuer.make();
  for (let n = 0; n < 10; n++) {
    const pending = await request();
    await store.begin(pending);
    await finish(pending, issuer);
  }
  const order = (await store.contracts()).map((contract) => contract.token);
  expect(order).toHaveLength(10);
  const other = [...order.slice(1), order[0]!];
  await store.reorder(other);
  expect((await store.contracts()).map((contract) => contract.token)).toEqual(other);
  await store.remove(other[3]!);
  expect((await store.contracts()).map((contract) => contract.token)).toEqual(other.filter((_, index) => index !== 3));
  for (const token of other) await store.remove(token);
  // The customer deleted them herself: that is no loss.
  expect(store.hadContracts()).toBe(false);
});

test('the loss of the database can be told from a first start', async () => {
  expect(store.hadContracts()).toBe(false);
  const pending = await request();
  await store.begin(pending);
  await finish(pending, await Issuer.make());
  vi.stubGlobal('indexedDB', new IDBFactory());
  vi.resetModules();
  store = await import('../src/store.ts');
  expect(await store.contracts()).toEqual([]);
  expect(store.hadContracts()).toBe(true);
});
