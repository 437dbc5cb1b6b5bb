import { beforeAll, expect, test } from 'vitest';
import { exportPublic, thumbprint, verifyWithJwk } from '../src/protocol/jws.ts';
import { makeAgreementPair, makeSigningPair } from '../src/protocol/keys.ts';
import { password } from '../src/protocol/otp.ts';
import { checkAnswer, deriveKeys, makeRequest, WrongRoot, type Expectation } from '../src/protocol/registration.ts';
import { ISSUER, Issuer, TOKEN, type Lie } from './issuer.ts';

let issuer: Issuer;
let signing: CryptoKeyPair;
let agreement: CryptoKeyPair;
let registration: string;
let expected: Expectation;

beforeAll(async () => {
  issuer = await Issuer.make();
  [signing, agreement] = await Promise.all([makeSigningPair(), makeAgreementPair()]);
  registration = await makeRequest({ issuer: ISSUER, key: { form: 'typed', enrolment: '', key: '8271427994702790', root: '' }, number: '12345678', platform: 'iPhone / Safari' }, signing, agreement);
  expected = { issuer: ISSUER, registration, device: await thumbprint(await exportPublic(signing.publicKey)), roots: [issuer.rootThumbprint] };
});

test('both sides make the same passwords, and no key can be taken out', async () => {
  const { answer, keys: theirs } = await issuer.answer(registration);
  const registered = await checkAnswer(answer, expected);
  expect(registered).toMatchObject({ token: TOKEN, bankJa: '庄内みなみ銀行', account: '普通 ***1234', root: issuer.rootThumbprint, generation: '1' });
  const ours = await deriveKeys(agreement.privateKey, registered, registration, answer.answer, ISSUER);
  for (const minute of [0, 1, 29922241]) {
    expect(await password(ours.otp, minute)).toBe(await password(theirs.otp, minute));
    expect(await password(ours.ocra, minute)).toBe(await password(theirs.ocra, minute));
  }
  expect(await password(ours.otp, 1)).not.toBe(await password(ours.ocra, 1));
  for (const key of [ours.otp, ours.ocra, signing.privateKey, agreement.privateKey]) {
    expect(key.extractable).toBe(false);
    await expect(crypto.subtle.exportKey(key.type === 'secret' ? 'raw' : 'jwk', key)).rejects.toThrow();
  }
});

test('one byte of the transcript changed makes other keys', async () => {
  const { answer, keys: theirs } = await issuer.answer(registration);
  const registered = await checkAnswer(answer, expected);
  const ours = await deriveKeys(agreement.privateKey, registered, registration + 'A', answer.answer, ISSUER);
  const codes = async (key: CryptoKey): Promise<string[]> => Promise.all([1, 2, 3].map((minute) => password(key, minute)));
  expect(await codes(ours.otp)).not.toEqual(await codes(theirs.otp));
});

test('the request says what it should', async () => {
  const { payload } = await verifyWithJwk(registration, 'inkan-registration+jws');
  expect(payload).toMatchObject({ v: '1', issuer: ISSUER, enrolment: '', key: '8271427994702790', number: '12345678', platform: 'iPhone / Safari' });
});

test('without a pin the first root is taken, with one another root is refused', async () => {
  const { answer } = await issuer.answer(registration);
  expect((await checkAnswer(answer, { ...expected, roots: [] })).root).toBe(issuer.rootThumbprint);
  const other = await Issuer.make();
  await expect(checkAnswer((await other.answer(registration)).answer, expected)).rejects.toBeInstanceOf(WrongRoot);
  await expect(checkAnswer(answer, { ...expected, roots: [issuer.rootThumbprint, other.rootThumbprint] })).rejects.toBeInstanceOf(WrongRoot);
});

const lies: Record<string, Lie> = {
  'answer of another version': { answer: { v: '2' } },
  'answer of another issuer': { answer: { issuer: 'https://token.other.example' } },
  'answer to another request': { answer: { request: 'AAAA' } },
  'answer for another token': { answer: { token: 'tok_01jd5q2k3m4n5p6q7r8s9t0v1x' } },
  'token id of another form': { answer: { token: 'tok' }, certificate: { token: 'tok' } },
  'other kind of password': { answer: { otp: { algorithm: 'SHA256', digits: '8', step: '60' } } },
  'unknown member': { answer: { more: '' } },
  'time in another form': { answer: { now: '2026-11-22 01:02:03' } },
  'agreement key off the curve': { answer: { agreement_key: { crv: 'P-384', kty: 'EC', x: 'AA', y: 'AA' } } },
  'issuer key that has expired': { issuerKey: { expires: '2026-11-22T01:02:03Z' } },
  'issuer key that is not yet valid': { issuerKey: { not_before: '2026-11-22T01:02:04Z' } },
  'issuer key of another issuer': { issuerKey: { issuer: 'https://token.other.example' } },
  'certificate for another phone': { certificate: { key: 'AAAA' } },
  'certificate of another issuer': { certificate: { issuer: 'https://token.other.example' } },
};

test.each(Object.keys(lies))('refuses: %s', async (name) => {
  const { answer } = await issuer.answer(registration, lies[name]);
  await expect(checkAnswer(answer, expected)).rejects.toThrow();
});

test('refuses every envelope that was touched or put in the place of another', async () => {
  const { answer } = await issuer.answer(registration);
  const touched = (envelope: string): string => envelope.slice(0, -10) + (envelope.at(-10) === 'A' ? 'B' : 'A') + envelope.slice(-9);
  await expect(checkAnswer({ ...answer, answer: touched(answer.answer) }, expected)).rejects.toThrow();
  await expect(checkAnswer({ ...answer, issuer_key: touched(answer.issuer_key) }, expected)).rejects.toThrow();
  await expect(checkAnswer({ ...answer, issuer_key: answer.answer }, expected)).rejects.toThrow();
  await expect(checkAnswer({ ...answer, answer: registration }, expected)).rejects.toThrow();
});
