// The fingerprint, face or screen lock by which the customer confirms what she approves. The phone's key signs; this says that she was there.

import { Problem } from './api.ts';
import { clock } from './clock.svelte.ts';
import * as api from './desk-api.ts';
import * as ledger from './ledger.ts';
import { fromBase64url, toBase64url } from './protocol/bytes.ts';
import { exportPublic } from './protocol/jws.ts';
import { challengeOf, creationOptions, joinAssertion, makeRemoval, makeVerifier } from './protocol/verifier.ts';
import type { Contract } from './store.ts';

export type Verifier = api.Verifier;

/** Why there was no confirmation; each has its own sentence. `exists`: what is registered still works. */
export type Unconfirmed = 'cancelled' | 'exists' | 'refused' | 'unreachable' | 'failed';

/** The customer did not confirm, or could not. Nothing was sent. */
export class NotConfirmed extends Error {
  constructor(readonly why: Unconfirmed) {
    super(why);
  }
}

function whyOf(error: unknown): Unconfirmed {
  if (error instanceof NotConfirmed) return error.why;
  if (error instanceof Problem) return error.status < 500 ? 'refused' : 'unreachable';
  if (error instanceof DOMException && error.name === 'InvalidStateError') return 'exists';
  if (error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'AbortError')) return 'cancelled';
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError') ? 'unreachable' : 'failed';
}

const ES256 = -7;
const PATIENCE = 120_000;

class Verifying {
  /** What the server knows, by token: the one in force, and one that waits to take its place. Remembered for the time without a network. */
  known = $state.raw<Record<string, Verifier[]>>({});
  /** Whether this phone can do it: no such function in the browser, or no fingerprint, face or screen lock set up. */
  phone = $state<'looking' | 'yes' | 'browser' | 'lock'>('looking');

  /** Reads what was remembered, where the server has not been heard yet. */
  async load(token: string): Promise<void> {
    if (token in this.known) return;
    const list = await ledger.verifiers(token).catch(() => []);
    if (!(token in this.known)) this.known = { ...this.known, [token]: list };
  }

  async look(): Promise<void> {
    const there = globalThis.PublicKeyCredential as typeof PublicKeyCredential | undefined;
    if (!there || !('credentials' in navigator)) this.phone = 'browser';
    else this.phone = (await there.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false)) ? 'yes' : 'lock';
  }

  /** Takes over what the server lists. */
  async learn(token: string, list: Verifier[]): Promise<void> {
    this.known = { ...this.known, [token]: list };
    await ledger.keepVerifiers(token, list).catch(() => undefined);
  }

  /** The one by which approvals are confirmed now. A new one takes its place when its time has come. */
  of(token: string, now: number): Verifier | undefined {
    const list = this.known[token] ?? [];
    return list.findLast((one) => one.state !== 'held' && one.usable <= now) ?? list[0];
  }

  /** Has the authenticator confirm an envelope of this phone. */
  async confirm(credential: string, envelope: string): Promise<string> {
    try {
      const found = (await navigator.credentials.get({
        publicKey: {
          challenge: await challengeOf(envelope),
          allowCredentials: [{ type: 'public-key', id: fromBase64url(credential), transports: ['internal'] }],
          userVerification: 'required',
          timeout: PATIENCE,
        },
      })) as PublicKeyCredential | null;
      if (!found) throw new NotConfirmed('cancelled');
      return joinAssertion(toBase64url(new Uint8Array(found.rawId)), found.response as AuthenticatorAssertionResponse);
    } catch (error) {
      throw new NotConfirmed(whyOf(error));
    }
  }

  /** Registers this phone's fingerprint, face or screen lock. Where there is one already, the new one waits for the day that the server names. */
  async register(contract: Contract): Promise<void> {
    try {
      const options = creationOptions(await api.verifierOptions(contract, clock.now));
      const made = (await navigator.credentials.create({ publicKey: options })) as PublicKeyCredential | null;
      if (!made) throw new NotConfirmed('cancelled');
      const response = made.response as AuthenticatorAttestationResponse;
      const spki = response.getPublicKey();
      if (!spki || response.getPublicKeyAlgorithm() !== ES256) throw new NotConfirmed('failed');
      const key = await crypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
      const id = toBase64url(new Uint8Array(made.rawId));
      const word = await makeVerifier(id, await exportPublic(key), clock.now, contract.token, contract.signingKey);
      await api.setVerifier(contract, clock.now, word, {
        id,
        rawId: id,
        type: made.type,
        clientExtensionResults: {},
        response: {
          clientDataJSON: toBase64url(new Uint8Array(response.clientDataJSON)),
          attestationObject: toBase64url(new Uint8Array(response.attestationObject)),
          transports: response.getTransports?.() ?? [],
        },
      });
    } catch (error) {
      throw new NotConfirmed(whyOf(error));
    }
  }

  /** Removes it. That takes a last confirmation by it. */
  async remove(contract: Contract, verifier: Verifier): Promise<void> {
    try {
      const word = await makeRemoval(verifier.credential, clock.now, contract.token, contract.signingKey);
      await api.removeVerifier(contract, clock.now, word, await this.confirm(verifier.credential, word));
    } catch (error) {
      throw new NotConfirmed(whyOf(error));
    }
  }
}

export const verifying = new Verifying();
