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
