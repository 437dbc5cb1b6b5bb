// The server in miniature, for renewals: it answers R1 and R2 as docs/protocol.md says, switches once, and gives the same receipt as often as it is asked.

import { sha256, toBase64url, utf8 } from '../src/protocol/bytes.ts';
import { exact, read, write, type Canonical } from '../src/protocol/canonical.ts';
import { exportPublic, parse, publicJwk, sign, thumbprint, verifyWithJwk, verifyWithKid, type PublicJwk } from '../src/protocol/jws.ts';
import { derive, makeAgreementPair, makeSigningPair, transcript } from '../src/protocol/keys.ts';
import { password } from '../src/protocol/otp.ts';
import { checkAnswer, deriveKeys, makeRequest } from '../src/protocol/registration.ts';
import type { Contract } from '../src/store.ts';
import { ISSUER, Issuer, TOKEN } from './issuer.ts';

const CUSTOMER = 'cus_01jd5q2k3m4n5p6q7r8s9t0v1w';

/** One generation of a token's keys, as the server has it. */
type Keys = { device: PublicJwk; otp: CryptoKey; generation: string };
type Open = Keys & { request: string; answer: string; receipt: string; state: 'open' | 'confirmed' | 'superseded' };

export class Renewals {
  inUse!: Keys;
  renewals = new Map<string, Open>();
  requests: string[] = [];
  /** Changes what is signed. */
  lie: { answer?: Canonical; certificate?: Canonical; receipt?: Canonical } = {};
  /** A refusal instead of an answer, by path. */
  refuse: Record<string, { kind: string; status?: number; tries_left?: number }> = {};
  /** How wrong the clock of the phone is, in steps. */
  wrongCodes = 0;
  constructor(readonly issuer: Issuer, readonly now: () => number) {}

  /** Registers a phone, up to a contract in use that comes near its date. */
  async enrol(store: typeof import('../src/store.ts'), expires: number): Promise<Contract> {
    const [signing, agreement] = await Promise.all([makeSigningPair(), makeAgreementPair()]);
    const device = await exportPublic(signing.publicKey);
    const envelope = await makeRequest({ issuer: ISSUER, key: { form: 'typed', enrolment: '', key: '8271427994702790', root: '' }, number: '12345678', platform: '' }, signing, agreement);
    const pending = { id: 'registration' as const, issuer: ISSUER, signing, agreement, key: '', root: '', started: 0, device: await thumbprint(device), envelope };
    await store.begin(pending);
    const { answer, keys } = await this.issuer.answer(envelope);
    const registered = await checkAnswer(answer, { issuer: ISSUER, registration: envelope, device: pending.device, roots: [] });
    await store.complete(pending, registered, await deriveKeys(agreement.privateKey, registered, envelope, answer.answer, ISSUER), 0);
    await store.setState(TOKEN, 'active', expires);
    this.inUse = { device, otp: keys.otp, generation: '1' };
    return (await store.contract(TOKEN))!;
  }

  /** What `fetch` is, without anything that can go wrong on the way. */
  async answer(path: string, body: Record<string, string>): Promise<Response> {
    const json = (value: unknown, status = 200): Response => new Response(JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json' } });
    const no = (kind: string, status = 409, more = {}): Response => json({ type: 'urn:inkan:problem:' + kind, ...more }, status);
    const refused = this.refuse[path];
    if (refused) return no(refused.kind, refused.status, refused.tries_left === undefined ? {} : { tries_left: refused.tries_left });
    switch (path) {
      case '/v1/renewals': return this.#ask(body['renewal']!, json, no);
      case '/v1/renewals/confirmation': return this.#confirm(body['confirmation']!, json, no);
      case '/v1/time': return json({ now: new Date(this.now()).toISOString() });
      default: return no('not-found', 404);
    }
  }

  async #kid(): Promise<string> {
    return thumbprint(await exportPublic(this.issuer.key.publicKey));
  }

  async #word(): Promise<string> {
    return sign({ alg: 'ES256', jwk: await exportPublic(this.issuer.root.publicKey), typ: 'inkan-issuer-key+jws' }, utf8(write({
      v: '1', issuer: ISSUER, key: await exportPublic(this.issuer.key.publicKey), not_before: '2026-01-01T00:00:00Z', expires: '2036-01-01T00:00:00Z',
    })), this.issuer.root.privateKey);
  }

  async #ask(envelope: string, json: (v: unknown, s?: number) => Response, no: (k: string) => Response): Promise<Response> {
    this.requests.push(envelope);
    let said;
    try {
      said = exact(await verifyWithKid(envelope, 'inkan-renewal+jws', this.inUse.device, TOKEN), 'v', 'issuer', 'token', 'generation', 'renewal', 'number', 'platform', 'key');
    } catch {
      return no('key-renewed');
    }
    const there = this.renewals.get(said.renewal);
    if (there) return there.state === 'open' && there.request === envelope ? json({ answer: there.answer, issuer_key: await this.#word() }) : no('renewal-none');
    const inner = await verifyWithJwk(said.key, 'inkan-renewal-key+jws');
    const next = exact(inner.payload, 'v', 'issuer', 'token', 'generation', 'renewal', 'agreement_key{}');
    if (next.renewal !== said.renewal || next.token !== TOKEN || said.generation !== String(Number(this.inUse.generation) + 1)) return no('renewal-refused');
    const kid = await this.#kid();
    const header = (typ: string): Canonical => ({ alg: 'ES256', kid, typ });
    const certificate = await sign(header('inkan-token-certificate+jws'), utf8(write({
      v: '1', issuer: ISSUER, token: TOKEN, customer: CUSTOMER, key: await thumbprint(inner.key), not_before: '2026-11-22T01:02:03Z', expires: '2029-11-22T01:02:03Z',
      generation: said.generation, activated_by: 'renewal', ...(this.lie.certificate as object),
    })), this.issuer.key.privateKey);
    const agreement = await makeAgreementPair();
    const answer = await sign(header('inkan-renewal-answer+jws'), utf8(write({
      v: '1', issuer: ISSUER, request: toBase64url(await sha256(utf8(envelope))), token: TOKEN, agreement_key: await exportPublic(agreement.publicKey),
      otp: { algorithm: 'SHA256', digits: '6', step: '60' }, now: '2026-11-22T01:02:03Z',
      contract: { bank_ja: '庄内みなみ銀行', bank_en: 'Shonai Minami Bank', account: '普通 ***1234' }, certificate, ...(this.lie.answer as object),
    })), this.issuer.key.privateKey);
    const theirs = publicJwk(read(utf8(write(next.agreement_key))));
    const keys = await derive(agreement.privateKey, theirs, await transcript(envelope, answer, 'renewal'), ISSUER, TOKEN, 'renewal');
    for (const open of this.renewals.values()) if (open.state === 'open') open.state = 'superseded';
    this.renewals.set(said.renewal, { device: inner.key, otp: keys.otp, generation: said.generation, request: envelope, answer, receipt: '', state: 'open' });
    return json({ answer, issuer_key: await this.#word() }, 201);
  }

  async #confirm(envelope: string, json: (v: unknown, s?: number) => Response, no: (k: string, s?: number, m?: object) => Response): Promise<Response> {
    const claims = read(parse(envelope).payload) as Record<string, string>;
    const open = this.renewals.get(claims['renewal']!);
    if (!open) return no('proof-refused', 401);
    const said = exact(await verifyWithKid(envelope, 'inkan-renewal-confirmation+jws', open.device, TOKEN), 'v', 'token', 'renewal', 'answer', 'code');
    if (open.state === 'superseded') return no('renewal-none');
    if (open.state === 'open') {
      const before = Math.floor(this.now() / 60_000) - 1;
      if (said.answer !== toBase64url(await sha256(utf8(open.answer))) || said.code !== (await password(open.otp, before)) || this.wrongCodes > 0) {
        this.wrongCodes--;
        return no('renewal-code-wrong', 403, { tries_left: 2 });
      }
      open.receipt = await sign({ alg: 'ES256', kid: await this.#kid(), typ: 'inkan-renewal-receipt+jws' }, utf8(write({
        v: '1', issuer: ISSUER, token: TOKEN, renewal: said.renewal, generation: open.generation, key: await thumbprint(open.device), time: '2026-11-22T01:02:03Z', ...(this.lie.receipt as object),
      })), this.issuer.key.privateKey);
      open.state = 'confirmed';
      this.inUse = open;
    }
    return json({ receipt: open.receipt, issuer_key: await this.#word() });
  }

  /** Whether these keys are the ones in use. */
  async opens(device: CryptoKey, otp: CryptoKey): Promise<boolean> {
    const probe = utf8('probe');
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, device, probe);
    const key = await crypto.subtle.importKey('jwk', { ...this.inUse.device }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
    return (await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, probe)) && (await password(otp, 1)) === (await password(this.inUse.otp, 1));
  }
}
