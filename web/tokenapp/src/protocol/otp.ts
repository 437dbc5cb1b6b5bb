// One-time passwords: RFC 4226 and RFC 6238 with HMAC-SHA256 over a key that WebCrypto holds.

import type { Bytes } from './bytes.ts';

/** A new password every minute. */
export const STEP = 60_000;
export const DIGITS = 6;

/** The number of the minute that a moment (milliseconds since 1970) lies in. */
export function stepAt(now: number, step = STEP): number {
  return Math.floor(now / step);
}

/** The eight bytes of a counter, the highest first. Minutes stay far below 2^32; a vector need not. */
export function counterBytes(counter: number): Bytes {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(counter / 2 ** 32));
  view.setUint32(4, counter >>> 0);
  return bytes;
}

/** Dynamic truncation (RFC 4226 section 5.3). */
export function truncate(mac: Bytes, digits = DIGITS): string {
  const offset = mac[mac.length - 1]! & 0x0f;
  const number = new DataView(mac.buffer, mac.byteOffset).getUint32(offset) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/** The password for a counter. */
export async function password(key: CryptoKey, counter: number, digits = DIGITS): Promise<string> {
  return truncate(new Uint8Array(await crypto.subtle.sign('HMAC', key, counterBytes(counter))), digits);
}

/** A key from raw bytes. Only vectors and imported tokens need it: a registered token's key is never bytes. */
export function rawKey(bytes: Bytes, hash: 'SHA-1' | 'SHA-256' | 'SHA-512' = 'SHA-256'): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash }, false, ['sign']);
}
