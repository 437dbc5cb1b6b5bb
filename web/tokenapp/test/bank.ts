// The bank in miniature, for transactions: it offers, lists, takes decisions as docs/protocol.md says, and can be told to be away or to lie.

import { read, text, write, type Canonical } from '../src/protocol/canonical.ts';
import { fromBase64url, sha256, toBase64url, utf8, type Bytes } from '../src/protocol/bytes.ts';
import { exportPublic, parse, sign, thumbprint, verifyWithKid, type PublicJwk } from '../src/protocol/jws.ts';
import { makeAgreementPair, makeSigningPair } from '../src/protocol/keys.ts';
import { checkAnswer, deriveKeys, makeRequest } from '../src/protocol/registration.ts';
import type { Contract } from '../src/store.ts';
import { ISSUER, Issuer } from './issuer.ts';

export const NOW = Date.UTC(2026, 10, 22, 1, 2, 10);
const CUSTOMER = 'cus_01jd5q2k3m4n5p6q7r8s9t0v1w';

const BUNDLE: { [name: string]: Canonical } = {
  v: '1', issuer: ISSUER, version: '1',
  fields: {
    payee: { format: 'kana', ja: '受取人名', en: 'Payee' }, amount: { format: 'money', ja: '金額', en: 'Amount' },
    type: { format: 'choice', ja: '預金種目', en: 'Account type' }, note: { format: 'text', ja: '摘要', en: 'Note' },
  },
  choices: { type: { ordinary: { ja: '普通', en: 'Ordinary' } } },
  templates: {
    transfer: { version: '1', ja: 'お振込', en: 'Transfer', caution_ja: '', caution_en: '', fields: ['payee', 'type', 'amount', 'note'], optional: ['note'], verification: 'none' },
  },
};

/** base45 as RFC 9285 writes it. The app only reads it. */
export function toBase45(bytes: Bytes): string {
  const signs = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';
  let out = '';
  for (let at = 0; at < bytes.length; at += 2) {
    const pair = at + 1 < bytes.length;
    let number = pair ? bytes[at]! * 256 + bytes[at + 1]! : bytes[at]!;
    for (let sign = 0; sign < (pair ? 3 : 2); sign++) {
      out += signs[number % 45]!;
      number = Math.floor(number / 45);
    }
  }
  return out;
}

export async function deflate(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw'))).arrayBuffer());
}

/** The QR form of an offer. */
export async function toQR(offer: string): Promise<string> {
  const { header, payload, signature } = parse(offer);
  const packed = [new Uint8Array([1]), fromBase64url(text((header as { kid: string }).kid)), signature, await deflate(payload)];
  return 'INKAN1:' + toBase45(new Uint8Array(packed.flatMap((part) => [...part])));
}

const hash = async (bytes: Bytes): Promise<string> => toBase64url(await sha256(bytes));

export type Call = { method: string; path: string; query: string; body: string; token: string };

export class Bank {
  pending: string[] = [];
  recent: { offer: string; state: string; decided: string; language: string }[] = [];
  /** What was asked, and the decisions as they came in. */
  calls: Call[] = [];
  decisions: string[] = [];
  /** No network, or a refusal (kind and state) instead of an answer to the next decisions. */
  away = false;
  refuse: { kind: string; state?: string } | undefined;
  pushKey = '';
  /** What a token is told of itself. */
  standing: { state: string; expires: string; move?: { check: string; asked: string } } = { state: 'active', expires: '2036-11-22T00:00:00Z' };
  verifiers: unknown[] = [];
  #devices = new Map<string, PublicJwk>();
  #count = 0;

  private constructor(readonly issuer: Issuer, readonly templates: string, readonly templatesHash: string, readonly issuerKey: string) {}

  static async make(bundle: { [name: string]: Canonical } = {}): Promise<Bank> {
    const issuer = await Issuer.make();
    const jwk = await exportPublic(issuer.root.publicKey);
    const payload = utf8(write({ ...BUNDLE, ...bundle }));
    const templates = await sign({ alg: 'ES256', jwk, typ: 'inkan-templates+jws' }, payload, issuer.root.privateKey);
    const issuerKey = await sign({ alg: 'ES256', jwk, typ: 'inkan-issuer-key+jws' }, utf8(write({
      v: '1', issuer: ISSUER, key: await exportPublic(issuer.key.publicKey), not_before: '2026-01-01T00:00:00Z', expires: '2036-01-01T00:00:00Z',
    })), issuer.root.privateKey);
    return new Bank(issuer, templates, await hash(payload), issuerKey);
  }

  /** Registers a phone with a store, up to the contract in use, or up to where another phone has to approve. */
  async enrol(store: typeof import('../src/store.ts'), token = 'tok_01jd5q2k3m4n5p6q7r8s9t0v1w', moves = false): Promise<Contract> {
    const [signing, agreement] = await Promise.all([makeSigningPair(), makeAgreementPair()]);
    const device = await exportPublic(signing.publicKey);
    this.#devices.set(token, device);
    const envelope = await makeRequest({ issuer: ISSUER, key: { form: 'typed', enrolment: '', key: '8271427994702790', root: '' }, number: '12345678', platform: '' }, signing, agreement);
    const pending = { id: 'registration' as const, issuer: ISSUER, signing, agreement, key: '', root: '', started: 0, device: await thumbprint(device), envelope, moves };
    await store.begin(pending);
    const { answer } = await this.issuer.answer(envelope, {}, token);
    const registered = await checkAnswer(answer, { issuer: ISSUER, registration: envelope, device: pending.device, roots: [] });
    const contract = await store.complete(pending, registered, await deriveKeys(agreement.privateKey, registered, envelope, answer.answer, ISSUER), NOW);
    if (moves) return contract;
    await store.setState(token, 'active', contract.expires);
    return { ...contract, state: 'active' };
  }

  /** Makes an offer; `lie` changes the document before it is signed, `key` signs it in the issuer's place. */
  async offer(lie: { [name: string]: Canonical } = {}, key = this.issuer.key.privateKey): Promise<{ id: string; offer: string }> {
    const id = 'txn_01jd5q2k3m4n5p6q7r8s9t' + String(this.#count++).padStart(4, '0');
    const document = write({
      v: '1', id, issuer: ISSUER, audience: 'bank', customer: CUSTOMER, nonce: 'MDEyMzQ1Njc4OWFiY2RlZg', template: 'transfer', template_version: '1',
      templates: this.templatesHash, currency: 'JPY', issued: '2026-11-22T01:02:03Z', expires: '2026-11-22T01:07:03Z',
      fields: [{ id: 'payee', value: 'ヤマダ タロウ' }, { id: 'type', value: 'ordinary' }, { id: 'amount', value: '250000' }],
      ...lie,
    });
    const kid = await thumbprint(await exportPublic(this.issuer.key.publicKey));
    return { id, offer: await sign({ alg: 'ES256', kid, typ: 'inkan-offer+jws' }, utf8(document), key) };
  }

  /** What `fetch` is while the test runs. */
  fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    if (this.away) throw new TypeError('no network');
    const url = new URL(String(input), ISSUER);
    const method = init.method ?? 'GET';
    const body = typeof init.body === 'string' ? init.body : '';
    const token = await this.#proof(new Headers(init.headers).get('DPoP') ?? '', method, url, body);
    this.calls.push({ method, path: url.pathname, query: url.search, body, token });
    const json = (value: unknown, status = 200): Response => new Response(JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json' } });
    switch (`${method} ${url.pathname}`) {
      case 'GET /v1/transactions':
        return json({
          now: '2026-11-22T01:02:10Z', templates: url.searchParams.get('templates') === this.templatesHash ? '' : this.templates,
          issuer_key: this.issuerKey, push_key: this.pushKey, verifiers: this.verifiers, pending: this.pending.map((offer) => ({ offer, state: 'pending' })), recent: this.recent,
        });
      case 'POST /v1/decisions': {
        const { decision } = JSON.parse(body) as { decision: string };
        this.decisions.push(decision);
        if (this.refuse) return json({ type: 'urn:inkan:problem:' + this.refuse.kind, state: this.refuse.state }, 409);
        await verifyWithKid(decision, 'inkan-decision+jws', this.#devices.get(token)!, token);
        const states: Record<string, string> = { approve: 'approved', reject: 'rejected', report: 'reported' };
        return json({ state: states[this.said(decision)['answer']!], now: '2026-11-22T01:02:11Z' });
      }
      case 'GET /v1/token': return json(this.standing);
      case 'POST /v1/moves/finish':
        if (this.standing.move?.asked !== 'approved') return json({ type: 'urn:inkan:problem:transaction-not-approved', state: 'pending' }, 409);
        this.standing = { state: 'active', expires: this.standing.expires };
        return json({});
      case 'PUT /v1/push':
      case 'DELETE /v1/push': return new Response(null, { status: 204 });
      default: return json({ type: 'urn:inkan:problem:not-found' }, 404);
    }
  };

  /** What a decision says. */
  said(decision: string): Record<string, string> {
    return read(parse(decision).payload) as Record<string, string>;
  }

  async #proof(dpop: string, method: string, url: URL, body: string): Promise<string> {
    const { header, payload, signed, signature } = parse(dpop);
    const { kid } = header as { kid: string };
    const key = await crypto.subtle.importKey('jwk', { ...this.#devices.get(kid)! }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
    if (!(await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, signed))) throw new Error('a proof that does not hold');
    const claims = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>;
    if (claims['htm'] !== method || claims['htu'] !== ISSUER + url.pathname || (body && claims['bh'] !== await hash(utf8(body)))) throw new Error('a proof of something else');
    return kid;
  }
}
