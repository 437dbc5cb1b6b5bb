// The inbox is shown only as the bank has signed it, for this phone and for this question.

import { expect, test } from 'vitest';
import { sha256, toBase64url, utf8 } from '../src/protocol/bytes.ts';
import { write, type Canonical } from '../src/protocol/canonical.ts';
import { readInbox } from '../src/protocol/inbox.ts';
import { exportPublic, sign, thumbprint } from '../src/protocol/jws.ts';

const TOKEN = 'tok_01k6t0000000000000000000';
const ISSUER = 'https://token.bank.example';
const PROOF = 'a.proof.of.this.question';

const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const key = await exportPublic(pair.publicKey);
const kid = await thumbprint(key);
const issuer = { issuer: ISSUER, key, kid };

const good = async (): Promise<Record<string, Canonical>> => ({
  v: '1', issuer: ISSUER, token: TOKEN, proof: toBase64url(await sha256(utf8(PROOF))), time: '2026-11-22T01:02:03Z', more: false,
  notices: [{ id: 'ntc_1', time: '2026-11-21T01:02:03Z', ja: { title: 'お知らせ', text: [['一行目', '二行目'], ['次']] }, en: { title: 'Notice', text: [['one']] } }],
});
const seal = (payload: Canonical, typ = 'inkan-inbox+jws'): Promise<string> => sign({ alg: 'ES256', kid, typ }, utf8(write(payload)), pair.privateKey);

test('what the bank has signed is read', async () => {
  const inbox = await readInbox(await seal(await good()), issuer, TOKEN, PROOF);
  expect(inbox).toEqual({ more: false, notices: [{ id: 'ntc_1', at: Date.UTC(2026, 10, 21, 1, 2, 3), ja: { title: 'お知らせ', text: [['一行目', '二行目'], ['次']] }, en: { title: 'Notice', text: [['one']] } }] });
});

test('nothing else is', async () => {
  const broken: Record<string, Canonical>[] = [];
  for (const change of [{ token: 'tok_02k6t0000000000000000000' }, { issuer: 'https://evil.example' }, { proof: toBase64url(await sha256(utf8('an older question'))) }, { v: '2' }, { more: 'false' }, { time: 'now' }, { further: 'x' },
    { notices: [{ id: 'x' }] }, { notices: [{ id: 'ntc_1', time: '2026-11-21T01:02:03Z', ja: { title: 'a', text: ['no paragraph'] }, en: { title: 'a', text: [] } }] }]) {
    broken.push({ ...(await good()), ...change } as Record<string, Canonical>);
  }
  for (const payload of broken) await expect(readInbox(await seal(payload), issuer, TOKEN, PROOF)).rejects.toThrow();
  const envelope = await seal(await good());
  await expect(readInbox(await seal(await good(), 'inkan-offer+jws'), issuer, TOKEN, PROOF)).rejects.toThrow();
  await expect(readInbox(envelope.slice(0, -4) + 'AAAA', issuer, TOKEN, PROOF)).rejects.toThrow();
  const other = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const foreign = await exportPublic(other.publicKey);
  await expect(readInbox(envelope, { issuer: ISSUER, key: foreign, kid: await thumbprint(foreign) }, TOKEN, PROOF)).rejects.toThrow();
  const [header, payload, signature] = envelope.split('.');
  const altered = toBase64url(utf8(new TextDecoder().decode(Uint8Array.from(atob(payload!.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))).replace('Notice', 'Nothing')));
  await expect(readInbox([header, altered, signature].join('.'), issuer, TOKEN, PROOF)).rejects.toThrow();
});
