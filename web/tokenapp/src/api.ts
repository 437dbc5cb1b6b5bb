// The server, as seen from this phone: same origin, no cookies, no cache, and never longer than ten seconds.

import { proof } from './protocol/dpop.ts';
import type { Answer } from './protocol/registration.ts';
import type { ReceiptAnswer } from './protocol/renewal.ts';
import type { Standing } from './standing.svelte.ts';
import type { Contract, TokenState, Waits } from './store.ts';

const TIMEOUT = 10_000;

/** The server said no, and why (RFC 9457). */
export class Problem extends Error {
  constructor(readonly status: number, readonly kind: string, readonly triesLeft: number | undefined, readonly retryAfter: number | undefined, readonly state = '') {
    super(`${status} ${kind}`);
  }
}

function number(value: unknown): number | undefined {
  const found = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value;
  return typeof found === 'number' && Number.isFinite(found) && found >= 0 ? found : undefined;
}

async function problem(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy in between may answer with a page of its own; then the status is all there is.
  }
  const type = typeof body['type'] === 'string' ? body['type'] : '';
  const kind = type.split(/[/:#]/).pop() ?? '';
  return new Problem(response.status, kind, number(body['tries_left']), number(body['retry_after']) ?? number(response.headers.get('Retry-After')),
    typeof body['state'] === 'string' ? body['state'] : '');
}

/** Asks the server; anything but success is thrown as a `Problem`. Only what is meant to stay open brings its own signal. */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, {
    ...init,
    mode: 'same-origin',
    credentials: 'omit',
    cache: 'no-store',
    redirect: 'error',
    referrerPolicy: 'no-referrer',
    signal: init.signal ?? AbortSignal.timeout(TIMEOUT),
  });
  if (!response.ok) throw await problem(response);
  return response;
}

/** Sends a registration envelope. Sending the same one again gives the same answer. */
export async function register(envelope: string): Promise<Answer> {
  return answered('/v1/registrations', { registration: envelope });
}

async function answered(path: string, request: Record<string, string>): Promise<Answer> {
  const response = await call(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(request) });
  const body = (await response.json()) as Partial<Answer>;
  if (typeof body.answer !== 'string' || typeof body.issuer_key !== 'string') throw new Error('not an answer');
  return { answer: body.answer, issuer_key: body.issuer_key };
}

/** Sends R1 of a renewal. Sending the same one again gives the same answer. */
export function renew(envelope: string): Promise<Answer> {
  return answered('/v1/renewals', { renewal: envelope });
}

/** Sends R2. Whoever has confirmed gets the same receipt again. */
export async function confirmRenewal(confirmation: string): Promise<ReceiptAnswer> {
  const response = await call('/v1/renewals/confirmation', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ confirmation }) });
  const body = (await response.json()) as Partial<ReceiptAnswer>;
  if (typeof body.receipt !== 'string' || typeof body.issuer_key !== 'string') throw new Error('not a receipt');
  return { receipt: body.receipt, issuer_key: body.issuer_key };
}

/** The server's clock in milliseconds, with the length of the round trip. */
export async function time(): Promise<{ server: number; received: number; roundTrip: number }> {
  const start = performance.now();
  const response = await call('/v1/time');
  const body = (await response.json()) as { now?: unknown };
  const roundTrip = performance.now() - start;
  const received = Date.now();
  const server = typeof body.now === 'string' ? Date.parse(body.now) : NaN;
  if (Number.isNaN(server)) throw new Error('not a time');
  return { server, received, roundTrip };
}

const STATES: readonly string[] = ['keyed', 'active', 'suspended', 'locked', 'replaced', 'revoked', 'expired'];

/** What became of a token. */
export async function token(contract: Contract, now: number): Promise<{ state: TokenState; expires: number; move: Waits | undefined; standing: Standing }> {
  const url = contract.issuer + '/v1/token';
  const response = await call('/v1/token', { headers: { DPoP: await proof(contract.signingKey, contract.token, 'GET', url, now) } });
  const body = (await response.json()) as { state?: unknown; expires?: unknown; stopped?: unknown; object_until?: unknown; move?: Partial<Record<keyof Waits, unknown>> };
  const expires = typeof body.expires === 'string' ? Date.parse(body.expires) : NaN;
  const objectUntil = typeof body.object_until === 'string' ? Date.parse(body.object_until) : NaN;
  return {
    state: typeof body.state === 'string' && STATES.includes(body.state) ? (body.state as TokenState) : 'unknown',
    expires: Number.isNaN(expires) ? contract.expires : expires,
    move: typeof body.move?.check === 'string' ? { check: body.move.check, asked: typeof body.move.asked === 'string' ? body.move.asked : '' } : undefined,
    standing: { stopped: typeof body.stopped === 'string' && body.stopped !== '', objectUntil: Number.isNaN(objectUntil) ? 0 : objectUntil },
  };
}
