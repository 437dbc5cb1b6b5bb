// The inbox: what the server has told the customer, signed for this phone and for this very question. Nothing else is shown.

import { sha256, toBase64url, utf8 } from './bytes.ts';
import { exact, time, type Canonical } from './canonical.ts';
import type { IssuerKey } from './document.ts';
import { verifyWithKid } from './jws.ts';

export type NoticeText = { title: string; text: string[][] };
export type Notice = { id: string; at: number; ja: NoticeText; en: NoticeText };
export type Inbox = { notices: Notice[]; more: boolean };

function words(value: Canonical | undefined): NoticeText {
  const said = exact(value ?? '', 'title', 'text[]');
  return {
    title: said.title,
    text: said.text.map((paragraph) => {
      if (!Array.isArray(paragraph)) throw new Error('not a paragraph');
      return paragraph.map((line) => {
        if (typeof line !== 'string') throw new Error('not a line');
        return line;
      });
    }),
  };
}

/** Checks an inbox. `proof` is the proof with which this phone asked for it. */
export async function readInbox(envelope: string, issuer: IssuerKey, token: string, proof: string): Promise<Inbox> {
  const payload = await verifyWithKid(envelope, 'inkan-inbox+jws', issuer.key, issuer.kid);
  if (typeof payload !== 'object' || Array.isArray(payload)) throw new Error('not an inbox');
  const { more, ...rest } = payload;
  if (typeof more !== 'boolean') throw new Error('not an inbox');
  const said = exact(rest, 'v', 'issuer', 'token', 'proof', 'time', 'notices[]');
  if (said.v !== '1' || said.issuer !== issuer.issuer || said.token !== token) throw new Error('an inbox of somebody else');
  if (said.proof !== toBase64url(await sha256(utf8(proof)))) throw new Error('the answer to another question');
  time(said.time);
  return {
    more,
    notices: said.notices.map((entry) => {
      const one = exact(entry, 'id', 'time', 'ja{}', 'en{}');
      return { id: one.id, at: time(one.time), ja: words(one.ja), en: words(one.en) };
    }),
  };
}
