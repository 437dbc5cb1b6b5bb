// The offline code: OCRA (RFC 6287) over the hash of the document, under the key that only this phone and the bank have.

import { concat, fromBase64url, utf8, type Bytes } from './bytes.ts';
import type { Document } from './document.ts';
import { truncate } from './otp.ts';

const SUITE = 'OCRA-1:HOTP-SHA256-8:QH64';
const DIGITS = 8;
const QUESTION = 128;

/** The code for a question of 32 bytes. In the data input the question is filled up with zeros to 128 bytes (RFC 6287 section 5.1). */
export async function ocra(key: CryptoKey, question: Bytes): Promise<string> {
  if (question.length !== 32) throw new Error('a question has 64 hexadecimal digits');
  const input = concat(utf8(SUITE), new Uint8Array(1), question, new Uint8Array(QUESTION - question.length));
  return truncate(new Uint8Array(await crypto.subtle.sign('HMAC', key, input)), DIGITS);
}

/** The code that approves a document where there is no network. */
export function offlineCode(key: CryptoKey, document: Document): Promise<string> {
  return ocra(key, fromBase64url(document.hash));
}
