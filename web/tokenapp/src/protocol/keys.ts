// The keys that both sides derive from the registration, and that never travel.

import { concat, sha256, utf8, type Bytes } from './bytes.ts';
import type { PublicJwk } from './jws.ts';

const ECDH = { name: 'ECDH', namedCurve: 'P-256' } as const;

/** The two keys of a registered token. Both stay inside the browser's key store. */
export type TokenKeys = { otp: CryptoKey; ocra: CryptoKey };

/** What keys are agreed in: a registration, or the renewal of a token. Each has labels of its own. */
export type Course = 'registration' | 'renewal';

/** Binds the keys to everything both sides said: whoever stands between them makes two different transcripts. */
export async function transcript(registration: string, answer: string, course: Course = 'registration'): Promise<Bytes> {
  return sha256(concat(
    utf8(`inkan/${course}/v1`),
    new Uint8Array(1),
    await sha256(utf8(registration)),
    await sha256(utf8(answer)),
  ));
}

/**
 * Derives the keys. ECDH feeds HKDF and HKDF feeds HMAC inside WebCrypto, key by key, so that neither the shared
 * secret nor the result ever is a string of bytes that a script could read or a log could keep.
 */
export async function derive(own: CryptoKey, other: PublicJwk, salt: Bytes, issuer: string, token: string, course: Course = 'registration'): Promise<TokenKeys> {
  const peer = await crypto.subtle.importKey('jwk', { ...other }, ECDH, true, []);
  return fromSecret(await crypto.subtle.deriveKey({ name: 'ECDH', public: peer }, own, 'HKDF', false, ['deriveKey']), salt, issuer, token, course);
}

/** The second half: both keys from the shared secret, each for one purpose, one issuer and one token. */
export async function fromSecret(secret: CryptoKey, salt: Bytes, issuer: string, token: string, course: Course = 'registration'): Promise<TokenKeys> {
  const renewed = course === 'renewal' ? 'renewed-' : '';
  const hmac = (purpose: string): Promise<CryptoKey> => crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt, info: utf8(`inkan/${renewed}${purpose}/v1|${issuer}|${token}`) },
    secret,
    { name: 'HMAC', hash: 'SHA-256', length: 256 },
    false,
    ['sign'],
  );
  return { otp: await hmac('otp'), ocra: await hmac('ocra') };
}

/** The pair that signs for this phone, for as long as the token lives. */
export function makeSigningPair(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
}

/** The pair that agrees the keys of one registration and is then deleted. */
export async function makeAgreementPair(): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey(ECDH, false, ['deriveKey'])) as CryptoKeyPair;
}
