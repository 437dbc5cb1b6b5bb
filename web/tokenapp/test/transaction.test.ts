// The shared vectors of transaction authentication: what Go shows, hashes and computes, byte for byte, and what it refuses.

import { expect, test } from 'vitest';
import ocraVectors from '../../../testdata/vectors/ocra.json';
import rendering from '../../../testdata/vectors/rendering.json';
import templates from '../../../testdata/vectors/templates.json';
import transaction from '../../../testdata/vectors/transaction.json';
import { fromBase64url, utf8, type Bytes } from '../src/protocol/bytes.ts';
import { time } from '../src/protocol/canonical.ts';
import { makeDecision, type Answer, type Reason } from '../src/protocol/decision.ts';
import { alive, checkIssuerKey, checkOffer, type Checked, type Holder } from '../src/protocol/document.ts';
import { fits, type Format } from '../src/protocol/form.ts';
import { parse, publicJwk, sign, verifyWithKid } from '../src/protocol/jws.ts';
import { makeSigningPair } from '../src/protocol/keys.ts';
import { fromBase45, offerFromQR } from '../src/protocol/offline.ts';
import { ocra, offlineCode } from '../src/protocol/ocra.ts';
import { rawKey } from '../src/protocol/otp.ts';
import { display, render, shown, told, type Language } from '../src/protocol/render.ts';
import { readTemplates } from '../src/protocol/templates.ts';
import { deflate, toBase45 } from './bank.ts';

const ISSUER = 'https://token.bank.example';
const unhex = (hex: string): Bytes => new Uint8Array((hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
const payloadOf = (envelope: string): string => new TextDecoder().decode(parse(envelope).payload);

type Vector = (typeof transaction)[number];

async function holderOf(vector: Vector): Promise<Holder> {
  return { ...(await checkIssuerKey(vector.issuer_key, ISSUER, vector.root_thumbprint, time(vector.now))), customer: vector.customer };
}

async function check(vector: Vector, offer = vector.offer): Promise<Checked> {
  const bundle = await readTemplates(vector.templates, ISSUER, vector.root_thumbprint);
  const checked = await checkOffer(offer, await holderOf(vector), bundle);
  if (!alive(checked.document, time(vector.now))) throw new Error('it has expired');
  return checked;
}

test.each(transaction)('transaction: $note', async (vector) => {
  if (!vector.valid) {
    await expect(check(vector)).rejects.toThrow();
    return;
  }
  const checked = await check(vector);
  const { document, bundle } = checked;
  expect(payloadOf(vector.offer)).toBe(vector.document);
  expect(document.hash).toBe(vector.document_hash);
  expect(document.offer).toBe(vector.offer_hash);
  expect(bundle.hash).toBe(vector.templates_hash);
  expect(render(checked, 'ja').text).toBe(vector.rendering_ja);
  expect(render(checked, 'en').text).toBe(vector.rendering_en);
  expect(await display(render(checked, 'ja'))).toBe(vector.display_ja);

  // A QR code leads to the very same envelope, and the code to type in is the one the bank expects.
  expect(await offerFromQR(vector.qr)).toBe(vector.offer);
  expect(await offlineCode(await rawKey(unhex(vector.ocra_key_hex)), document)).toBe(vector.offline_code);

  // The signature differs each time; every byte that is signed is the same.
  const said = JSON.parse(vector.decision_payload) as Record<'answer' | 'counter' | 'language' | 'nonce' | 'previous' | 'reason' | 'time', string>;
  const language = said.language as Language;
  const parts = {
    document, language, rendering: render(checked, language), answer: said.answer as Answer, reason: said.reason as Reason,
    now: time(said.time), counter: Number(said.counter), previous: said.previous, verification: 'none' as const, nonce: said.nonce,
  };
  const ours = await makeDecision(parts, vector.token, (await makeSigningPair()).privateKey);
  expect(ours.split('.').slice(0, 2)).toEqual(vector.decision.split('.').slice(0, 2));
  expect(payloadOf(ours)).toBe(vector.decision_payload);
  await verifyWithKid(vector.decision, 'inkan-decision+jws', publicJwk(vector.device_signing_key!), vector.token);
});

test.each(templates)('templates: $note', async ({ envelope, valid }) => {
  const read = readTemplates(envelope, ISSUER, transaction[0]!.root_thumbprint);
  if (valid) await read;
  else await expect(read).rejects.toThrow('one label');
});

// The choices of a format are those of the bundle; a value alone has none.
test.each(rendering as { note: string; format: string; value: string; valid: boolean; ja?: string; en?: string }[])('value: $note $value', ({ format, value, valid, ja, en }) => {
  expect(fits(format as Format, value, undefined)).toBe(valid);
  if (!valid) return;
  expect(shown(format as Format, value, 'JPY', 'ja', undefined)).toBe(ja);
  expect(shown(format as Format, value, 'JPY', 'en', undefined)).toBe(en);
});

test('two values that differ are never shown alike', () => {
  const seen = new Map<string, string>();
  for (const { value, ja, valid } of rendering as { value: string; ja?: string; valid: boolean; format: string }[]) {
    if (!valid || ja === undefined) continue;
    expect(seen.get(ja) ?? value).toBe(value);
    seen.set(ja, value);
  }
});

test('a look-alike is marked only where its surroundings make it suspect', () => {
  expect(told('カワ二シ', 'ja')).toBe('カワ二〔漢字〕シ');
  expect(told('二シ', 'ja')).toBe('二〔漢字〕シ');
  expect(told('カワ二 イチロウ', 'en')).toBe('カワ二〔kanji〕 イチロウ');
  expect(told('カヘ', 'ja')).toBe('カヘ');
  expect(told('カへ', 'ja')).toBe('カへ〔ひらがな〕');
  expect(told('いヘん', 'en')).toBe('いヘ〔katakana〕ん');
  // An honest name has a Han sign on its other side, or stands alone.
  for (const honest of ['二宮', '中二カ', '二', 'ヘ', 'へや', 'ニノミヤ']) expect(told(honest, 'ja')).toBe(honest);
});

test.each(ocraVectors)('offline code: $note', async ({ key_hex, question_hex, code }) => {
  expect(await ocra(await rawKey(unhex(key_hex)), unhex(question_hex))).toBe(code);
});

test('a question has the length of a hash', async () => {
  await expect(ocra(await rawKey(utf8('12345678901234567890123456789012')), new Uint8Array(31))).rejects.toThrow();
});

test('base45 as in RFC 9285, and one text for each byte string', () => {
  expect(new TextDecoder().decode(fromBase45('BB8'))).toBe('AB');
  expect(new TextDecoder().decode(fromBase45('%69 VD92EX0'))).toBe('Hello!!');
  expect(new TextDecoder().decode(fromBase45('UJCLQE7W581'))).toBe('base-45');
  expect(new TextDecoder().decode(fromBase45('QED8WEX0'))).toBe('ietf!');
  for (const wrong of ['A', 'GGW', ':::', 'bb8', 'BB8A', '::', '0'.repeat(12 * 1024 + 3), 'BBあ']) expect(() => fromBase45(wrong)).toThrow();
});

test('a QR code that is damaged, of another kind, or far too large inside is refused', async () => {
  const good = transaction[0]!.qr;
  const bytes = fromBase45(good.slice(7));
  expect('INKAN1:' + toBase45(bytes)).toBe(good);
  await expect(offerFromQR(good.slice(7))).rejects.toThrow();
  await expect(offerFromQR(good.replace('INKAN1', 'INKAN2'))).rejects.toThrow();
  await expect(offerFromQR(good.slice(0, -30))).rejects.toThrow();
  await expect(offerFromQR('INKAN1:' + toBase45(bytes.slice(0, 97)))).rejects.toThrow();
  await expect(offerFromQR('INKAN1:' + toBase45(new Uint8Array([2, ...bytes.slice(1)])))).rejects.toThrow();
  const bomb = new Uint8Array([...bytes.slice(0, 97), ...(await deflate(new Uint8Array(5 * 1024 * 1024)))]);
  expect(bomb.length).toBeLessThan(8 * 1024);
  await expect(offerFromQR('INKAN1:' + toBase45(bomb))).rejects.toThrow('too long');
});

test('templates, issuer key and offer are believed only under the pinned root and for the own issuer', async () => {
  const vector = transaction[0]!;
  const now = time(vector.now);
  const holder = await holderOf(vector);
  const bundle = await readTemplates(vector.templates, ISSUER, vector.root_thumbprint);
  const other = 'A'.repeat(43);
  await expect(readTemplates(vector.templates, ISSUER, other)).rejects.toThrow('root');
  await expect(readTemplates(vector.templates, 'https://token.other.example', vector.root_thumbprint)).rejects.toThrow();
  await expect(readTemplates(vector.issuer_key, ISSUER, vector.root_thumbprint)).rejects.toThrow();
  await expect(checkIssuerKey(vector.issuer_key, ISSUER, other, now)).rejects.toThrow('root');
  await expect(checkIssuerKey(vector.issuer_key, 'https://token.other.example', vector.root_thumbprint, now)).rejects.toThrow();
  await expect(checkIssuerKey(vector.issuer_key, ISSUER, vector.root_thumbprint, now + 20 * 365 * 86_400_000)).rejects.toThrow('not valid');
  await expect(checkOffer(vector.offer, { ...holder, customer: 'cus_00000000000000000000000001' }, bundle)).rejects.toThrow('somebody else');
  const forged = await sign(parse(vector.offer).header, parse(vector.offer).payload, (await makeSigningPair()).privateKey);
  await expect(checkOffer(forged, holder, bundle)).rejects.toThrow('signature');
  await expect(checkOffer(vector.offer, holder, { ...bundle, hash: other })).rejects.toThrow('templates');
});

test('a reason goes with its answer and with no other', async () => {
  const checked = await check(transaction[0]!);
  const parts = { document: checked.document, rendering: render(checked, 'ja'), language: 'ja' as const, now: 0, counter: 1, previous: '', verification: 'none' as const };
  const { privateKey } = await makeSigningPair();
  await expect(makeDecision({ ...parts, answer: 'approve', reason: 'other' }, 'tok', privateKey)).rejects.toThrow('reason');
  await expect(makeDecision({ ...parts, answer: 'reject', reason: 'not_me' }, 'tok', privateKey)).rejects.toThrow('reason');
  const said = JSON.parse(payloadOf(await makeDecision({ ...parts, answer: 'report', reason: 'told_by_phone' }, 'tok', privateKey))) as Record<string, string>;
  expect(said).toMatchObject({ answer: 'report', reason: 'told_by_phone', time: '1970-01-01T00:00:00Z', counter: '1' });
  expect(fromBase64url(said['nonce']!)).toHaveLength(16);
});
