// Envelopes: JWS in compact form, ES256, payload in canonical JSON.

import { fromBase64url, sha256, toBase64url, utf8, type Bytes } from './bytes.ts';
import { exact, read, write, type Canonical } from './canonical.ts';

const ES256 = { name: 'ECDSA', hash: 'SHA-256' } as const;
const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/** A public key on P-256, with exactly the members that its thumbprint is made of. */
export type PublicJwk = { crv: string; kty: string; x: string; y: string };

/** Reads a public key; other curves and further members are refused. */
export function publicJwk(value: Canonical | undefined): PublicJwk {
  const members = exact(value, 'crv', 'kty', 'x', 'y');
  const jwk = { crv: members.crv, kty: members.kty, x: members.x, y: members.y };
  if (jwk.kty !== 'EC' || jwk.crv !== 'P-256') throw new Error('not a key on P-256');
  if (fromBase64url(jwk.x).length !== 32 || fromBase64url(jwk.y).length !== 32) throw new Error('a coordinate has the wrong length');
  return jwk;
}

/** The public half of a key pair as a JWK. Public keys can always be exported; private ones never are. */
export async function exportPublic(key: CryptoKey): Promise<PublicJwk> {
  const { crv, kty, x, y } = await crypto.subtle.exportKey('jwk', key);
  return publicJwk({ crv: crv ?? '', kty: kty ?? '', x: x ?? '', y: y ?? '' });
}

/** The thumbprint of a public key (RFC 7638): its canonical text, hashed. */
export async function thumbprint(jwk: PublicJwk): Promise<string> {
  return toBase64url(await sha256(utf8(write(jwk))));
}

/** A public key for checking signatures; a point that is not on the curve is refused by the browser. */
export function verificationKey(jwk: PublicJwk): Promise<CryptoKey> {
  return crypto.subtle.importKey('jwk', { ...jwk }, P256, true, ['verify']);
}

/** Signs a payload whose bytes are already fixed. */
export async function sign(header: Canonical, payload: Bytes, key: CryptoKey): Promise<string> {
  const signed = toBase64url(utf8(write(header))) + '.' + toBase64url(payload);
  const signature = new Uint8Array(await crypto.subtle.sign(ES256, key, utf8(signed)));
  return signed + '.' + toBase64url(signature);
}

/** An envelope taken apart but not yet believed. */
export type Envelope = { header: Canonical; payload: Bytes; signed: Bytes; signature: Bytes };

/** Takes an envelope apart. */
export function parse(envelope: string): Envelope {
  const parts = envelope.split('.');
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) throw new Error('not an envelope');
  const bytes = fromBase64url(signature);
  if (bytes.length !== 64) throw new Error('a signature has the wrong length');
  return { header: read(fromBase64url(header)), payload: fromBase64url(payload), signed: utf8(header + '.' + payload), signature: bytes };
}

async function believe(envelope: Envelope, key: PublicJwk): Promise<Canonical> {
  const good = await crypto.subtle.verify(ES256, await verificationKey(key), envelope.signature, envelope.signed);
  if (!good) throw new Error('a signature does not match');
  return read(envelope.payload);
}

/** Checks an envelope whose header names its key by thumbprint (or token id), and gives back its payload. */
export async function verifyWithKid(envelope: string, typ: string, key: PublicJwk, kid: string): Promise<Canonical> {
  const parsed = parse(envelope);
  const header = exact(parsed.header, 'alg', 'kid', 'typ');
  if (header.alg !== 'ES256' || header.typ !== typ || header.kid !== kid) throw new Error(`not an envelope of type ${typ} under this key`);
  return believe(parsed, key);
}

/** Checks an envelope that carries its key. Whether that key may be trusted is for the caller to decide. */
export async function verifyWithJwk(envelope: string, typ: string): Promise<{ payload: Canonical; key: PublicJwk }> {
  const parsed = parse(envelope);
  const header = exact(parsed.header, 'alg', 'jwk{}', 'typ');
  if (header.alg !== 'ES256' || header.typ !== typ) throw new Error(`not an envelope of type ${typ}`);
  const key = publicJwk(header.jwk);
  return { payload: await believe(parsed, key), key };
}
