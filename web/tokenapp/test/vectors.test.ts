// The shared vectors: Go runs the same files. What is asked here is that both languages answer the same.

import { expect, test } from 'vitest';
import canonical from '../../../testdata/vectors/canonical.json';
import hotp from '../../../testdata/vectors/hotp.json';
import jws from '../../../testdata/vectors/jws.json';
import keys from '../../../testdata/vectors/keys.json';
import members from '../../../testdata/vectors/members.json';
import mod97 from '../../../testdata/vectors/mod97.json';
import registration from '../../../testdata/vectors/registration.json';
import renewals from '../../../testdata/vectors/renewal.json';
import totp from '../../../testdata/vectors/totp.json';
import { fromBase64url, sha256, toBase64url, utf8, type Bytes } from '../src/protocol/bytes.ts';
import { read, write } from '../src/protocol/canonical.ts';
import { checkHolder, checkIssuerKey, readOffer } from '../src/protocol/document.ts';
import { exportPublic, parse, publicJwk, thumbprint, verifyWithJwk, verifyWithKid, type PublicJwk } from '../src/protocol/jws.ts';
import { fromLink } from '../src/protocol/key.ts';
import { fromSecret, transcript } from '../src/protocol/keys.ts';
import { checked } from '../src/protocol/mod97.ts';
import { password, rawKey, stepAt } from '../src/protocol/otp.ts';
import { checkAnswer, deriveKeys, makeRequest } from '../src/protocol/registration.ts';
import { answerHash, checkReceipt, checkRenewalAnswer, deriveRenewedKeys, makeConfirmation, makeRenewal } from '../src/protocol/renewal.ts';
import { readTemplates } from '../src/protocol/templates.ts';

const unhex = (hex: string): Bytes => new Uint8Array((hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));

/** A key that cannot be taken out is the same as these bytes if it answers the same to several questions. */
async function sameKey(key: CryptoKey, hex: string): Promise<void> {
  const known = await rawKey(unhex(hex));
  for (const question of ['', 'a', 'inkan']) {
    const answers = await Promise.all([key, known].map(async (k) => toBase64url(new Uint8Array(await crypto.subtle.sign('HMAC', k, utf8(question))))));
    expect(answers[0]).toBe(answers[1]);
  }
}

test.each([...hotp, ...totp])('one-time password: $note', async (vector: { hash: string; key_hex: string; counter: number; digits: number; code: string; step_seconds?: number; time?: number }) => {
  if (vector.step_seconds !== undefined && vector.time !== undefined) {
    expect(stepAt(vector.time * 1000, vector.step_seconds * 1000)).toBe(vector.counter);
  }
  expect(await password(await rawKey(unhex(vector.key_hex), vector.hash as 'SHA-1'), vector.counter, vector.digits)).toBe(vector.code);
});

test.each(mod97)('check digits: $digits, $note', ({ digits, valid }) => {
  expect(checked(digits)).toBe(valid);
});

test.each(canonical)('canonical form: $note', async (vector: { bytes: string; hex?: string; valid: boolean; sha256?: string }) => {
  const bytes = vector.hex === undefined ? utf8(vector.bytes) : unhex(vector.hex);
  if (!vector.valid) {
    expect(() => read(bytes)).toThrow();
    return;
  }
  expect(write(read(bytes))).toBe(vector.bytes);
  if (vector.sha256 !== undefined) expect(toBase64url(await sha256(bytes))).toBe(vector.sha256);
});

/** Verifies an envelope in whichever of the two ways its header asks for, and gives back the payload's bytes. */
async function verify(envelope: string, typ: string, key: PublicJwk): Promise<string> {
  const { header, payload } = parse(envelope);
  if ('jwk' in (header as object)) {
    const carried = await verifyWithJwk(envelope, typ);
    expect(await thumbprint(carried.key)).toBe(await thumbprint(key));
  } else {
    await verifyWithKid(envelope, typ, key, (header as { kid: string }).kid);
  }
  return new TextDecoder().decode(payload);
}

test.each(jws)('envelope: $note', async (vector: { typ: string; key: Record<string, string>; envelope: string; valid: boolean; payload?: string }) => {
  const key = publicJwk(vector.key);
  if (vector.valid) expect(await verify(vector.envelope, vector.typ, key)).toBe(vector.payload);
  else await expect(verify(vector.envelope, vector.typ, key)).rejects.toThrow();
});

test.each(keys)('keys: $note', async (vector) => {
  const secret = await crypto.subtle.importKey('raw', unhex(vector.z_hex), 'HKDF', false, ['deriveKey']);
  const made = await fromSecret(secret, await transcript(vector.registration, vector.answer), vector.issuer, vector.token);
  await sameKey(made.otp, vector.otp_key_hex);
  await sameKey(made.ocra, vector.ocra_key_hex);
});

test.each(registration)('registration: $note', async (vector) => {
  const origin = new URL(vector.link).origin;
  const key = fromLink(vector.link, origin);
  if (typeof key === 'string') throw new Error(key);
  expect(key.root).toBe(vector.root_thumbprint);

  async function pair(algorithm: string, jwk: PublicJwk, privateHex: string, usages: KeyUsage[], publicUsages: KeyUsage[]): Promise<CryptoKeyPair> {
    const named = { name: algorithm, namedCurve: 'P-256' };
    return {
      privateKey: await crypto.subtle.importKey('jwk', { ...jwk, d: toBase64url(unhex(privateHex)) }, named, false, usages),
      publicKey: await crypto.subtle.importKey('jwk', { ...jwk }, named, true, publicUsages),
    };
  }
  const signing = await pair('ECDSA', vector.device_signing_key, vector.device_signing_private_hex, ['sign'], ['verify']);
  const agreement = await pair('ECDH', vector.device_agreement_key, vector.device_agreement_private_hex, ['deriveKey'], []);
  expect(await thumbprint(await exportPublic(signing.publicKey))).toBe(vector.device_thumbprint);

  // The signature differs each time; every byte that is signed is the same.
  const asked = JSON.parse(vector.registration_payload) as Record<'number' | 'platform' | 'nonce', string>;
  const ours = await makeRequest({ issuer: origin, key, number: asked.number, platform: asked.platform, nonce: asked.nonce }, signing, agreement);
  expect(ours.split('.').slice(0, 2)).toEqual(vector.registration.split('.').slice(0, 2));
  expect(new TextDecoder().decode(fromBase64url(ours.split('.')[1]!))).toBe(vector.registration_payload);
  expect(await verify(vector.registration, 'inkan-registration+jws', publicJwk(vector.device_signing_key))).toBe(vector.registration_payload);

  const registered = await checkAnswer({ answer: vector.answer, issuer_key: vector.issuer_key }, {
    issuer: origin, registration: vector.registration, device: vector.device_thumbprint, roots: [vector.root_thumbprint],
  });
  expect(registered.agreementKey).toEqual(vector.server_agreement_key);
  const made = await deriveKeys(agreement.privateKey, registered, vector.registration, vector.answer, origin);
  await sameKey(made.otp, vector.otp_key_hex);
  await sameKey(made.ocra, vector.ocra_key_hex);
  expect(await password(made.otp, stepAt(vector.time * 1000))).toBe(vector.code);
});

/** The objects that the app reads. The others are read by the server and the verifier, which run the same vectors. */
const readers: Record<string, (envelope: string) => Promise<unknown>> = (() => {
  const vector = registration[0]!;
  const { origin } = new URL(vector.link);
  const token = 'tok_01h455vb4pex5vsknk084sn02q';
  const issuer = () => checkIssuerKey(vector.issuer_key, origin, vector.root_thumbprint, vector.time * 1000);
  return {
    'inkan-issuer-key+jws': (envelope) => checkIssuerKey(envelope, origin, vector.root_thumbprint, vector.time * 1000),
    'inkan-registration-answer+jws': (envelope) => checkAnswer({ answer: envelope, issuer_key: vector.issuer_key }, {
      issuer: origin, registration: vector.registration, device: vector.device_thumbprint, roots: [vector.root_thumbprint],
    }),
    'inkan-token-certificate+jws': async (envelope) => checkHolder(envelope, token, await issuer()),
    'inkan-templates+jws': (envelope) => readTemplates(envelope, origin, vector.root_thumbprint),
    'inkan-offer+jws': async (envelope) => readOffer(envelope, { ...(await issuer()), customer: 'cus_00000000000000000000000000' }),
  };
})();

test.each(members.filter(({ typ }) => typ in readers))('members: $note', async ({ typ, envelope, valid }) => {
  const read = readers[typ]!(envelope);
  if (valid) await read;
  else await expect(read).rejects.toThrow();
});

test.each(renewals)('renewal: $note', async (vector) => {
  const { issuer: origin, token } = JSON.parse(vector.renewal_payload) as { issuer: string; token: string };
  async function pair(algorithm: string, jwk: PublicJwk, privateHex: string, usages: KeyUsage[], publicUsages: KeyUsage[]): Promise<CryptoKeyPair> {
    const named = { name: algorithm, namedCurve: 'P-256' };
    return {
      privateKey: await crypto.subtle.importKey('jwk', { ...jwk, d: toBase64url(unhex(privateHex)) }, named, false, usages),
      publicKey: await crypto.subtle.importKey('jwk', { ...jwk }, named, true, publicUsages),
    };
  }
  const device = await pair('ECDSA', vector.device_signing_key, vector.device_signing_private_hex, ['sign'], ['verify']);
  const next = await pair('ECDSA', vector.next_signing_key, vector.next_signing_private_hex, ['sign'], ['verify']);
  const agreement = await pair('ECDH', vector.next_agreement_key, vector.next_agreement_private_hex, ['deriveKey'], []);

  // A signature is another one each time; what it is over is not.
  const parts = { issuer: origin, token, generation: '2', renewal: vector.id, number: vector.number, platform: 'iPhone / Safari' };
  const ours = await verifyWithKid(await makeRenewal(parts, device.privateKey, next, agreement), 'inkan-renewal+jws', publicJwk(vector.device_signing_key), token) as Record<string, string>;
  const theirs = JSON.parse(vector.renewal_payload) as Record<string, string>;
  expect({ ...ours, key: '' }).toEqual({ ...theirs, key: '' });
  expect(await verify(ours['key']!, 'inkan-renewal-key+jws', publicJwk(vector.next_signing_key))).toBe(vector.key_payload);
  expect(await verify(vector.renewal, 'inkan-renewal+jws', publicJwk(vector.device_signing_key))).toBe(vector.renewal_payload);

  const expected = {
    issuer: origin, token, certificate: vector.certificate, generation: '2', renewal: vector.renewal, device: vector.next_thumbprint, roots: [vector.root_thumbprint],
  };
  const said = await checkRenewalAnswer({ answer: vector.answer, issuer_key: vector.issuer_key }, expected);
  const made = await deriveRenewedKeys(agreement.privateKey, said, vector.renewal, vector.answer, origin);
  await sameKey(made.otp, vector.otp_key_hex);
  await sameKey(made.ocra, vector.ocra_key_hex);
  expect(await password(made.otp, stepAt(vector.time * 1000) - 1)).toBe(vector.code);

  const confirmation = await makeConfirmation(token, vector.id, await answerHash(vector.answer), vector.code, next.privateKey);
  expect(await verify(confirmation, 'inkan-renewal-confirmation+jws', publicJwk(vector.next_signing_key))).toBe(vector.confirmation_payload);
  await checkReceipt({ receipt: vector.receipt, issuer_key: vector.issuer_key }, expected, vector.id);
  await expect(checkReceipt({ receipt: vector.receipt, issuer_key: vector.issuer_key }, { ...expected, generation: '3' }, vector.id)).rejects.toThrow();
});
