// What the customer carries over: the registration key (scanned, followed or typed) and the registration number.

import { fromBase64url } from './bytes.ts';
import { checked } from './mod97.ts';

/**
 * A registration key. The typed form has neither enrolment nor root, since nobody would type them. From another phone that the token
 * moves away from it brings the number too.
 */
export type RegistrationKey =
  | { form: 'qr'; enrolment: string; key: string; root: string; number?: string }
  | { form: 'typed'; enrolment: ''; key: string; root: '' };

/** Why a key was not taken; each has its own sentence on the screen. */
export type KeyFault = 'other-service' | 'not-a-key';

const FRAGMENT = /^1\.(enr_[0-9a-hjkmnp-tv-z]{26})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;
const MOVE = /^2\.(.+)\.([0-9]{8})$/;

/** Full-width digits become ASCII; spaces and hyphens of any kind, also the long-vowel mark typed for one, go away. */
export function tidy(typed: string): string {
  return typed.normalize('NFKC').replace(/[\s\p{Dash_Punctuation}\u2212\u30fc\u00ad\u200b]/gu, '');
}

/** Reads the part of the link behind the `#`. */
export function fromFragment(fragment: string): RegistrationKey | undefined {
  const move = MOVE.exec(fragment.replace(/^#/, ''));
  if (move) {
    const key = fromFragment(`1.${move[1]}`);
    return key?.form === 'qr' ? { ...key, number: move[2]! } : undefined;
  }
  const parts = FRAGMENT.exec(fragment.replace(/^#/, ''));
  if (!parts) return undefined;
  const [, enrolment, key, root] = parts;
  try {
    fromBase64url(key!);
    fromBase64url(root!);
  } catch {
    return undefined;
  }
  return { form: 'qr', enrolment: enrolment!, key: key!, root: root! };
}

/** Reads what a QR code says. The link must lead to this very app: a key of another bank would be refused there anyway. */
export function fromLink(link: string, origin: string): RegistrationKey | KeyFault {
  let url: URL;
  try {
    url = new URL(link.trim());
  } catch {
    return 'not-a-key';
  }
  const key = url.pathname === '/r' && url.search === '' ? fromFragment(url.hash) : undefined;
  if (!key) return 'not-a-key';
  return url.origin === origin ? key : 'other-service';
}

/** What typed digits are so far. `mistyped` means that all sixteen are there and do not fit together. */
export type Typed = { digits: string; state: 'empty' | 'short' | 'long' | 'not-digits' | 'mistyped' | 'good' };

/** Looks at a registration key while it is being typed. */
export function typedKey(typed: string): Typed {
  const digits = tidy(typed);
  if (digits === '') return { digits, state: 'empty' };
  if (!/^[0-9]+$/.test(digits)) return { digits, state: 'not-digits' };
  if (digits.length !== 16) return { digits, state: digits.length < 16 ? 'short' : 'long' };
  return { digits, state: checked(digits) ? 'good' : 'mistyped' };
}

/** Looks at a registration number while it is being typed. It has no check digits. */
export function typedNumber(typed: string): Typed {
  const digits = tidy(typed);
  if (digits === '') return { digits, state: 'empty' };
  if (!/^[0-9]+$/.test(digits)) return { digits, state: 'not-digits' };
  if (digits.length !== 8) return { digits, state: digits.length < 8 ? 'short' : 'long' };
  return { digits, state: 'good' };
}

/** Digits in groups of four, as the bank's screen shows them. */
export function grouped(digits: string): string {
  return digits.replace(/(.{4})(?=.)/g, '$1 ');
}
