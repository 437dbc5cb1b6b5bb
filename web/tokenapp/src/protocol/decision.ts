// The customer's answer, as this phone signs it.

import { random, toBase64url, utf8 } from './bytes.ts';
import { write } from './canonical.ts';
import type { Document } from './document.ts';
import { sign } from './jws.ts';
import { display, type Language, type Rendering } from './render.ts';

export type Answer = 'approve' | 'reject' | 'report';

/** The reasons that may go with an answer; none need be given. */
export const REASONS = {
  approve: [],
  reject: ['wrong_amount', 'wrong_payee', 'other'],
  report: ['not_me', 'told_by_phone', 'other'],
} as const satisfies Record<Answer, readonly string[]>;
export type Reason = '' | (typeof REASONS)[Answer][number];

export type DecisionParts = {
  document: Document;
  rendering: Rendering;
  language: Language;
  answer: Answer;
  reason: Reason;
  /** The corrected clock. */
  now: number;
  /** From 1, growing by one with each decision of this device. */
  counter: number;
  /** Hash of this device's previous decision envelope, or empty. */
  previous: string;
  /** Whether the customer is to confirm this decision with her fingerprint, face or screen lock. */
  verification: 'none' | 'webauthn';
  /** Given only by vectors. */
  nonce?: string;
};

/** Whole seconds of a moment, in the one form that times have here. */
export function stamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Makes the envelope: the bytes that are stored, sent, and sent again unchanged. */
export async function makeDecision(parts: DecisionParts, token: string, key: CryptoKey): Promise<string> {
  const { document, rendering } = parts;
  if (parts.reason !== '' && !(REASONS[parts.answer] as readonly string[]).includes(parts.reason)) throw new Error('a reason that does not go with this answer');
  const payload = write({
    v: '1',
    transaction: document.id,
    document: document.hash,
    offer: document.offer,
    templates: document.templates,
    display: await display(rendering),
    language: parts.language,
    answer: parts.answer,
    reason: parts.reason,
    time: stamp(parts.now),
    counter: String(parts.counter),
    previous: parts.previous,
    verification: parts.verification,
    nonce: parts.nonce ?? toBase64url(random(16)),
  });
  return sign({ alg: 'ES256', kid: token, typ: 'inkan-decision+jws' }, utf8(payload), key);
}
