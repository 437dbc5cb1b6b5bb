// Renewal: what this phone asks for when it renews a token's keys, and every check of what it is answered (docs/protocol.md, Renewal).

import { random, sha256, toBase64url, utf8 } from './bytes.ts';
import { exact, read, time, write } from './canonical.ts';
import { exportPublic, parse, publicJwk, sign, thumbprint, verifyWithJwk, verifyWithKid } from './jws.ts';
import { derive, transcript, type TokenKeys } from './keys.ts';
import { checkAnswer, WrongRoot, type Answer, type Registered } from './registration.ts';

/** What goes into a request. The identifier is given only by vectors. */
export type RenewalParts = { issuer: string; token: string; generation: string; number: string; platform: string; renewal?: string };

/** The name of a renewal: it is one, however often its request is sent. */
export function renewalId(): string {
  return toBase64url(random(16));
}

/** The generation after this one. */
export function following(generation: string): string {
  return String(Number(generation) + 1);
}

/**
 * Makes R1: the key in use signs it, and inside it the next key signs a word of its own with both public keys, so that nothing is certified that nobody holds.
 * These bytes are stored, sent, and sent again unchanged.
 */
export async function makeRenewal(parts: RenewalParts & { renewal: string }, signing: CryptoKey, next: CryptoKeyPair, agreement: CryptoKeyPair): Promise<string> {
  const { issuer, token, generation, renewal, number, platform } = parts;
  const inner = write({ v: '1', issuer, token, generation, renewal, agreement_key: await exportPublic(agreement.publicKey) });
  const key = await sign({ alg: 'ES256', jwk: await exportPublic(next.publicKey), typ: 'inkan-renewal-key+jws' }, utf8(inner), next.privateKey);
  const payload = write({ v: '1', issuer, token, generation, renewal, number, platform, key });
  return sign({ alg: 'ES256', kid: token, typ: 'inkan-renewal+jws' }, utf8(payload), signing);
}

/** What this phone holds against an answer. */
export type RenewalExpectation = {
  issuer: string;
  token: string;
  /** The certificate in use: the next one must be of the same customer. */
  certificate: string;
  generation: string;
  /** The envelope that was sent. */
  renewal: string;
  /** Thumbprint of the next signing key. */
  device: string;
  roots: string[];
};

/** Checks the whole answer to R1. It throws where anything does not fit. */
export async function checkRenewalAnswer(answer: Answer, expected: RenewalExpectation): Promise<Registered> {
  const said = await checkAnswer(answer, { issuer: expected.issuer, registration: expected.renewal, device: expected.device, roots: expected.roots }, 'inkan-renewal-answer+jws');
  const before = read(parse(expected.certificate).payload) as { customer?: unknown };
  if (said.token !== expected.token || said.generation !== expected.generation || said.customer !== before.customer) throw new Error('the answer is for another token');
  return said;
}

/** Derives the next keys from a checked answer and the two envelopes as they travelled. */
export async function deriveRenewedKeys(agreement: CryptoKey, said: Registered, renewal: string, answer: string, issuer: string): Promise<TokenKeys> {
  return derive(agreement, said.agreementKey, await transcript(renewal, answer, 'renewal'), issuer, said.token, 'renewal');
}

/** Makes R2: the proof, by a code of the next keys under the next signing key, that this phone has them. */
export async function makeConfirmation(token: string, renewal: string, answer: string, code: string, next: CryptoKey): Promise<string> {
  return sign({ alg: 'ES256', kid: token, typ: 'inkan-renewal-confirmation+jws' }, utf8(write({ v: '1', token, renewal, answer, code })), next);
}

/** The receipt as it travels. */
export type ReceiptAnswer = { receipt: string; issuer_key: string };

/** Checks the server's word that the next keys are in use. Only with it the keys before may go. */
export async function checkReceipt(answer: ReceiptAnswer, expected: RenewalExpectation, renewal: string): Promise<void> {
  const rooted = await verifyWithJwk(answer.issuer_key, 'inkan-issuer-key+jws');
  const root = await thumbprint(rooted.key);
  if (expected.roots.some((pinned) => pinned !== root)) throw new WrongRoot('the issuer root is not the known one');
  const issuerKey = exact(rooted.payload, 'v', 'issuer', 'key{}', 'not_before', 'expires');
  const key = publicJwk(issuerKey.key);
  const said = exact(await verifyWithKid(answer.receipt, 'inkan-renewal-receipt+jws', key, await thumbprint(key)), 'v', 'issuer', 'token', 'renewal', 'generation', 'key', 'time');
  const at = time(said.time);
  if (at < time(issuerKey.not_before) || at >= time(issuerKey.expires)) throw new Error('the issuer key is not valid at this time');
  if (issuerKey.v !== '1' || issuerKey.issuer !== expected.issuer || said.v !== '1' || said.issuer !== expected.issuer) throw new Error('the receipt is of another issuer');
  if (said.token !== expected.token || said.renewal !== renewal || said.generation !== expected.generation || said.key !== expected.device) throw new Error('the receipt is for another renewal');
}

/** The hash by which R2 names the answer. */
export async function answerHash(answer: string): Promise<string> {
  return toBase64url(await sha256(utf8(answer)));
}
