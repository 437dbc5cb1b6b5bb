// The QR form of an offer: everything the phone needs to show a transaction without a network, in one code.

import { toBase64url, utf8, type Bytes } from './bytes.ts';
import { write } from './canonical.ts';

const PREFIX = 'INKAN1:';
const SIGNS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';
const MAX_DOCUMENT = 4 * 1024;
const [KID, SIGNATURE, DOCUMENT] = [1, 33, 97];

/** Undoes base45 (RFC 9285) and takes only what base45 can have written. */
export function fromBase45(text: string): Bytes {
  if (text.length % 3 === 1 || text.length > 3 * MAX_DOCUMENT) throw new Error('not base45');
  const out: number[] = [];
  for (let at = 0; at < text.length; at += 3) {
    const group = [...text.slice(at, at + 3)].map((sign) => SIGNS.indexOf(sign));
    if (group.includes(-1)) throw new Error('not base45');
    const number = group.reduceRight((sum, value) => sum * 45 + value, 0);
    if (number >= (group.length === 3 ? 2 ** 16 : 2 ** 8)) throw new Error('not base45');
    if (group.length === 3) out.push(number >> 8);
    out.push(number & 0xff);
  }
  return new Uint8Array(out);
}

/** Inflates raw DEFLATE, and stops at the limit: a few bytes of a QR code could otherwise become gigabytes. */
async function inflate(bytes: Bytes): Promise<Bytes> {
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const out = new Uint8Array(MAX_DOCUMENT);
  let length = 0;
  for (;;) {
    const { done, value } = await inflated.read();
    if (done) return out.slice(0, length);
    if (length + value.length > MAX_DOCUMENT) {
      void inflated.cancel().catch(() => undefined);
      throw new Error('a document that is too long');
    }
    out.set(value, length);
    length += value.length;
  }
}

/** Whether a QR code says that it is one of ours. */
export function isOffer(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Puts the offer together again. Its signature has not been looked at: it is verified like any other. */
export async function offerFromQR(text: string): Promise<string> {
  if (!isOffer(text)) throw new Error('not the QR form of an offer');
  const bytes = fromBase45(text.slice(PREFIX.length));
  if (bytes[0] !== 1 || bytes.length <= DOCUMENT) throw new Error('not the QR form of an offer');
  const header = write({ alg: 'ES256', kid: toBase64url(bytes.slice(KID, SIGNATURE)), typ: 'inkan-offer+jws' });
  const document = await inflate(bytes.slice(DOCUMENT));
  return [utf8(header), document, bytes.slice(SIGNATURE, DOCUMENT)].map(toBase64url).join('.');
}
