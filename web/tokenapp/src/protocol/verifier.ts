// What this phone signs of the credential by which its user confirms approvals, and the credential's word over an envelope of this phone.

import { fromBase64url, sha256, toBase64url, utf8, type Bytes } from './bytes.ts';
import { write } from './canonical.ts';
import { stamp } from './decision.ts';
import { sign, type PublicJwk } from './jws.ts';

/** The word that a credential is this phone's own. */
export function makeVerifier(credential: string, key: PublicJwk, now: number, token: string, signingKey: CryptoKey): Promise<string> {
  const payload = write({ v: '1', token, credential, public_key: { ...key }, time: stamp(now) });
  return sign({ alg: 'ES256', kid: token, typ: 'inkan-verifier+jws' }, utf8(payload), signingKey);
}

/** The word that it is to be forgotten. */
export function makeRemoval(credential: string, now: number, token: string, signingKey: CryptoKey): Promise<string> {
  const payload = write({ v: '1', token, credential, time: stamp(now) });
  return sign({ alg: 'ES256', kid: token, typ: 'inkan-verifier-removal+jws' }, utf8(payload), signingKey);
}

/** What the authenticator signs for an envelope. */
export function challengeOf(envelope: string): Promise<Bytes> {
  return sha256(utf8(envelope));
}

type Said = { clientDataJSON: ArrayBuffer; authenticatorData: ArrayBuffer; signature: ArrayBuffer };

/** An assertion as it travels: credential, client data, authenticator data, signature. */
export function joinAssertion(credential: string, { clientDataJSON, authenticatorData, signature }: Said): string {
  return [credential, ...[clientDataJSON, authenticatorData, signature].map((part) => toBase64url(new Uint8Array(part)))].join('.');
}

type Json = Record<string, unknown>;
type Descriptor = PublicKeyCredentialDescriptor;

/** The server's options as the browser takes them. Not every browser can read them by itself. */
export function creationOptions(json: Json): PublicKeyCredentialCreationOptions {
  const bytes = (value: unknown): Bytes => fromBase64url(String(value));
  const user = json['user'] as Json;
  const exclude = (json['excludeCredentials'] ?? []) as Json[];
  return {
    ...(json as unknown as PublicKeyCredentialCreationOptions),
    challenge: bytes(json['challenge']),
    user: { ...(user as unknown as PublicKeyCredentialUserEntity), id: bytes(user['id']) },
    excludeCredentials: exclude.map((one) => ({ ...(one as unknown as Descriptor), id: bytes(one['id']) })),
  };
}
