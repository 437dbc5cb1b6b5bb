// The requests that deal with transactions. Each carries a proof that this phone's key made it.

import { call } from './api.ts';
import { utf8 } from './protocol/bytes.ts';
import { proof } from './protocol/dpop.ts';
import type { Contract } from './store.ts';

/** By what approvals are confirmed, as the server knows it. */
export type Verifier = { credential: string; state: 'active' | 'resting' | 'held'; since: number; usable: number };

/** The list as it travels. Nothing in it is believed before its signatures have been checked. */
export type List = {
  templates: string;
  issuer_key: string;
  push_key: string;
  verifiers: Verifier[];
  pending: { offer: string }[];
  recent: { offer: string; state: string; decided: string; language: string }[];
};

async function request(contract: Contract, now: number, method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
  const json = body === undefined ? undefined : JSON.stringify(body);
  const headers: Record<string, string> = {
    DPoP: await proof(contract.signingKey, contract.token, method, contract.issuer + path, now, json === undefined ? undefined : utf8(json)),
  };
  if (json === undefined) return call(path, { ...init, method, headers: { ...init.headers, ...headers } });
  return call(path, { ...init, method, headers: { 'Content-Type': 'application/json', ...headers }, body: json });
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const list = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : []);

/** What waits and what ended. `templates` is the hash of the bundle that this phone has, or empty. */
export async function transactions(contract: Contract, now: number, templates: string): Promise<List> {
  const path = '/v1/transactions' + (templates === '' ? '' : '?templates=' + templates);
  const body = (await (await request(contract, now, 'GET', path)).json()) as Record<string, unknown>;
  return {
    templates: text(body['templates']),
    issuer_key: text(body['issuer_key']),
    push_key: text(body['push_key']),
    verifiers: list(body['verifiers']).map((item) => ({
      credential: text(item['credential']),
      // A word that this app does not know yet opens nothing.
      state: (['active', 'resting'] as const).find((known) => known === item['state']) ?? 'held',
      since: Date.parse(text(item['since'])),
      usable: Date.parse(text(item['usable'])),
    })),
    pending: list(body['pending']).map((item) => ({ offer: text(item['offer']) })),
    recent: list(body['recent']).map((item) => ({
      offer: text(item['offer']), state: text(item['state']), decided: text(item['decided']), language: text(item['language']),
    })),
  };
}

/** Sends a decision, with the customer's confirmation where there is one. The same envelope again gives the same answer. */
export async function decide(contract: Contract, now: number, decision: string, assertion: string): Promise<string> {
  const sent = assertion === '' ? { decision } : { decision, assertion };
  const body = (await (await request(contract, now, 'POST', '/v1/decisions', sent)).json()) as Record<string, unknown>;
  const state = text(body['state']);
  if (state === '') throw new Error('not an answer');
  return state;
}

/** What the browser needs to make a credential by which approvals are confirmed. */
export async function verifierOptions(contract: Contract, now: number): Promise<Record<string, unknown>> {
  const body = (await (await request(contract, now, 'POST', '/v1/verifier/options', {})).json()) as Record<string, unknown>;
  return body['options'] as Record<string, unknown>;
}

/** Hands in what was made, with this phone's word that it is its own. */
export async function setVerifier(contract: Contract, now: number, verifier: string, created: unknown): Promise<void> {
  await request(contract, now, 'PUT', '/v1/verifier', { verifier, created: JSON.stringify(created), assertion: '' });
}

export async function removeVerifier(contract: Contract, now: number, removal: string, assertion: string): Promise<void> {
  await request(contract, now, 'POST', '/v1/verifier/removal', { removal, assertion });
}

/** Opens the stream that says when to look. It stays open until the signal ends it. */
export function events(contract: Contract, now: number, signal: AbortSignal): Promise<Response> {
  return request(contract, now, 'GET', '/v1/events', undefined, { signal, headers: { Accept: 'text/event-stream' } });
}

export type Subscription = { endpoint: string; p256dh: string; auth: string };

/** Tells the server where this phone can be woken, or that it no longer wants to be. */
export async function push(contract: Contract, now: number, subscription: Subscription | undefined): Promise<void> {
  await request(contract, now, subscription ? 'PUT' : 'DELETE', '/v1/push', subscription);
}

/** Stops the customer's service; a phone that was left behind says that this was not her. Doing it twice is no error. */
export async function stop(contract: Contract, now: number, left: boolean): Promise<void> {
  await request(contract, now, 'POST', left ? '/v1/token/objection' : '/v1/stop', {});
}

/** The inbox as it travels, with the proof that it must be the answer to. */
export async function notices(contract: Contract, now: number): Promise<{ inbox: string; issuerKey: string; proof: string }> {
  const path = '/v1/notices';
  const made = await proof(contract.signingKey, contract.token, 'GET', contract.issuer + path, now);
  const body = (await (await call(path, { headers: { DPoP: made } })).json()) as Record<string, unknown>;
  return { inbox: text(body['inbox']), issuerKey: text(body['issuer_key']), proof: made };
}

/** A move to a new phone, as this phone shows it. */
export type Move = { state: string; expires: number; size: number; path: string };

/** Begins a move, or shows the one that is under way. */
export async function beginMove(contract: Contract, now: number): Promise<Move> {
  const body = (await (await request(contract, now, 'POST', '/v1/moves', {})).json()) as Record<string, unknown>;
  const qr = (typeof body['qr'] === 'object' && body['qr'] !== null ? body['qr'] : {}) as Record<string, unknown>;
  return { state: text(body['state']), expires: Date.parse(text(body['expires'])), size: typeof qr['size'] === 'number' ? qr['size'] : 0, path: text(qr['path']) };
}

export async function cancelMove(contract: Contract, now: number): Promise<void> {
  await request(contract, now, 'POST', '/v1/moves/cancel', {});
}

/** The first code of the new phone. Sent again after a lost answer it changes nothing. */
export async function finishMove(contract: Contract, now: number, code: string): Promise<void> {
  await request(contract, now, 'POST', '/v1/moves/finish', { code });
}
