// A server in miniature: it answers a registration as docs/protocol.md says, and can be told to lie in one place.

import { sha256, toBase64url, utf8 } from '../src/protocol/bytes.ts';
import { exact, read, write, type Canonical } from '../src/protocol/canonical.ts';
import { exportPublic, publicJwk, sign, thumbprint, verifyWithJwk, type PublicJwk } from '../src/protocol/jws.ts';
import { derive, makeAgreementPair, makeSigningPair, transcript, type TokenKeys } from '../src/protocol/keys.ts';
import type { Answer } from '../src/protocol/registration.ts';

export const ISSUER = 'https://token.bank.example';
export const TOKEN = 'tok_01jd5q2k3m4n5p6q7r8s9t0v1w';

/** Changes one object before it is signed. */
export type Lie = { issuerKey?: Canonical; answer?: Canonical; certificate?: Canonical };

const over = (honest: { [name: string]: Canonical }, lie: Canonical | undefined): Canonical => ({ ...honest, ...(lie as object | undefined) });

export class Issuer {
  private constructor(readonly root: CryptoKeyPair, readonly key: CryptoKeyPair, readonly rootThumbprint: string) {}

  static async make(): Promise<Issuer> {
    const root = await makeSigningPair();
    return new Issuer(root, await makeSigningPair(), await thumbprint(await exportPublic(root.publicKey)));
  }

  async answer(registration: string, lie: Lie = {}, token = TOKEN): Promise<{ answer: Answer; keys: TokenKeys }> {
    const { payload, key: device } = await verifyWithJwk(registration, 'inkan-registration+jws');
    const request = exact(payload, 'v', 'issuer', 'enrolment', 'key', 'number', 'nonce', 'agreement_key{}', 'platform');
    const issuerKey: PublicJwk = await exportPublic(this.key.publicKey);
    const header = (typ: string, kid: string): Canonical => ({ alg: 'ES256', kid, typ });
    const kid = await thumbprint(issuerKey);
    const certificate = await sign(header('inkan-token-certificate+jws', kid), utf8(write(over({
      v: '1', issuer: request.issuer, token, customer: 'cus_01jd5q2k3m4n5p6q7r8s9t0v1w', key: await thumbprint(device),
      not_before: '2026-11-22T01:02:03Z', expires: '2029-11-22T01:02:03Z', generation: '1', activated_by: 'typed',
    }, lie.certificate))), this.key.privateKey);
    const agreement = await makeAgreementPair();
    const answer = await sign(header('inkan-registration-answer+jws', kid), utf8(write(over({
      v: '1', issuer: request.issuer, request: toBase64url(await sha256(utf8(registration))), token,
      agreement_key: await exportPublic(agreement.publicKey), otp: { algorithm: 'SHA256', digits: '6', step: '60' },
      now: '2026-11-22T01:02:03Z', contract: { bank_ja: '庄内みなみ銀行', bank_en: 'Shonai Minami Bank', account: '普通 ***1234' }, certificate,
    }, lie.answer))), this.key.privateKey);
    const issuer_key = await sign({ alg: 'ES256', jwk: await exportPublic(this.root.publicKey), typ: 'inkan-issuer-key+jws' }, utf8(write(over({
      v: '1', issuer: request.issuer, key: issuerKey, not_before: '2026-01-01T00:00:00Z', expires: '2027-01-01T00:00:00Z',
    }, lie.issuerKey))), this.root.privateKey);
    const keys = await derive(agreement.privateKey, publicJwk(read(utf8(write(request.agreement_key)))), await transcript(registration, answer), request.issuer, token);
    return { answer: { answer, issuer_key }, keys };
  }
}
