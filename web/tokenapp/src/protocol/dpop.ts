// The proof that each request of a registered token carries (RFC 9449, with the token id as key name).

import { random, sha256, toBase64url, utf8, type Bytes } from './bytes.ts';
import { sign } from './jws.ts';

/** Signs a proof for one request. `now` is the corrected clock; `iat` is the one number on this wire, as RFC 7519 wants it. */
export async function proof(key: CryptoKey, token: string, method: string, url: string, now: number, body?: Bytes): Promise<string> {
  const target = new URL(url);
  const claims: Record<string, string | number> = {};
  if (body) claims['bh'] = toBase64url(await sha256(body));
  claims['htm'] = method;
  claims['htu'] = target.origin + target.pathname;
  claims['iat'] = Math.floor(now / 1000);
  claims['jti'] = toBase64url(random(16));
  return sign({ alg: 'ES256', kid: token, typ: 'dpop+jwt' }, utf8(JSON.stringify(claims)), key);
}
