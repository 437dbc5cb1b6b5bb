// Registration: the request this phone makes, and every check of the answer before a single key is derived from it.

import { random, sha256, toBase64url, utf8 } from './bytes.ts';
import { exact, time, write } from './canonical.ts';
import { exportPublic, publicJwk, sign, thumbprint, verifyWithJwk, verifyWithKid, type PublicJwk } from './jws.ts';
import { derive, transcript, type TokenKeys } from './keys.ts';
import type { RegistrationKey } from './key.ts';

/** What goes into a request. The nonce is given only by vectors. */
export type RequestParts = { issuer: string; key: RegistrationKey; number: string; platform: string; nonce?: string };

/** Makes the registration envelope: the bytes that are stored, sent, and sent again unchanged. */
export async function makeRequest(parts: RequestParts, signing: CryptoKeyPair, agreement: CryptoKeyPair): Promise<string> {
  const payload = write({
    v: '1',
    issuer: parts.issuer,
    enrolment: parts.key.enrolment,
    key: parts.key.key,
    number: parts.number,
    nonce: parts.nonce ?? toBase64url(random(16)),
    agreement_key: await exportPublic(agreement.publicKey),
    platform: parts.platform,
  });
  const header = { alg: 'ES256', jwk: await exportPublic(signing.publicKey), typ: 'inkan-registration+jws' };
  return sign(header, utf8(payload), signing.privateKey);
}

/** The server's answer as it travels: two envelopes. */
export type Answer = { answer: string; issuer_key: string };

/** What this phone holds against the answer. */
export type Expectation = {
  issuer: string;
  /** The envelope that was sent. */
  registration: string;
  /** Thumbprint of this phone's signing key. */
  device: string;
  /** The roots the answer may come from: the one the QR code carried and the one first seen, where there is one. */
  roots: string[];
};

/** What a checked answer says. */
export type Registered = {
  token: string;
  agreementKey: PublicJwk;
  bankJa: string;
  bankEn: string;
  account: string;
  certificate: string;
  root: string;
  serverTime: number;
  notBefore: number;
  expires: number;
  generation: string;
  customer: string;
};

/** The issuer stands behind another root than the one this phone knows: somebody may stand between. */
export class WrongRoot extends Error {}

/** Checks the whole answer: root, issuer key, request, certificate. It throws where anything does not fit. */
export async function checkAnswer(answer: Answer, expected: Expectation, typ = 'inkan-registration-answer+jws'): Promise<Registered> {
  const rooted = await verifyWithJwk(answer.issuer_key, 'inkan-issuer-key+jws');
  const root = await thumbprint(rooted.key);
  if (expected.roots.some((pinned) => pinned !== root)) throw new WrongRoot('the issuer root is not the known one');
  const issuerKey = exact(rooted.payload, 'v', 'issuer', 'key{}', 'not_before', 'expires');
  const key = publicJwk(issuerKey.key);
  const kid = await thumbprint(key);

  const said = exact(
    await verifyWithKid(answer.answer, typ, key, kid),
    'v', 'issuer', 'request', 'token', 'agreement_key{}', 'otp{}', 'now', 'contract{}', 'certificate',
  );
  if (said.request !== toBase64url(await sha256(utf8(expected.registration)))) throw new Error('the answer belongs to another request');
  const otp = exact(said.otp, 'algorithm', 'digits', 'step');
  if (otp.algorithm !== 'SHA256' || otp.digits !== '6' || otp.step !== '60') throw new Error('a kind of password that this app does not make');
  const { token, certificate } = said;
  if (!/^tok_[0-9a-hjkmnp-tv-z]{26}$/.test(token)) throw new Error('not a token id');
  const contract = exact(said.contract, 'bank_ja', 'bank_en', 'account');
  const now = time(said.now);

  // The phone's clock may be wrong by hours, so the server's signed time decides whether its own key is alive.
  if (now < time(issuerKey.not_before) || now >= time(issuerKey.expires)) throw new Error('the issuer key is not valid at this time');

  const certified = exact(
    await verifyWithKid(certificate, 'inkan-token-certificate+jws', key, kid),
    'v', 'issuer', 'token', 'customer', 'key', 'not_before', 'expires', 'generation', 'activated_by',
  );
  for (const [what, part] of Object.entries({ issuerKey, said, certified })) {
    if (part.v !== '1') throw new Error(`${what} has another version`);
    if (part.issuer !== expected.issuer) throw new Error(`${what} speaks for another issuer`);
  }
  if (certified.token !== token) throw new Error('the certificate is for another token');
  if (certified.key !== expected.device) throw new Error('the certificate is for another phone');

  return {
    token,
    agreementKey: publicJwk(said.agreement_key),
    bankJa: contract.bank_ja,
    bankEn: contract.bank_en,
    account: contract.account,
    certificate,
    root,
    serverTime: now,
    notBefore: time(certified.not_before),
    expires: time(certified.expires),
    generation: certified.generation,
    customer: certified.customer,
  };
}

/** Derives the token's keys from a checked answer and the two envelopes as they travelled. */
export async function deriveKeys(agreement: CryptoKey, registered: Registered, registration: string, answer: string, issuer: string): Promise<TokenKeys> {
  return derive(agreement, registered.agreementKey, await transcript(registration, answer), issuer, registered.token);
}
