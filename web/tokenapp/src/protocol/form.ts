// What a field's value may be. The repertoires are lists of ranges and not properties of Unicode, so that every reader,
// of whatever version, has the same. Nothing is ever changed here: a value is of the form, or it is refused.

import { time } from './canonical.ts';

export const FORMATS = ['text', 'kana', 'digits', 'money', 'date', 'time', 'choice'] as const;
export type Format = (typeof FORMATS)[number];

/** Katakana and hiragana, as the look-alike marks understand them: without the middle dot, which both scripts use. */
export const KATAKANA = /^[\u30a1-\u30fa\u30fc-\u30fe]$/u;
export const HIRAGANA = /^[\u3041-\u3096\u309d\u309e]$/u;

const TEXT = /^[\u0020-\u007e\u3001\u3002\u3005-\u3007\u300c-\u300f\u301c\u3041-\u3096\u309d\u309e\u30a1-\u30fe\u3400-\u4dbf\u4e00-\u9fff\u{20000}-\u{2a6df}\u{2a700}-\u{323af}]{1,60}$/u;
const KANA = /^[ ().\-/,0-9A-Z\u300c\u300d\u30a1-\u30fa\u30fc]{1,60}$/u;

function spaced(text: string): boolean {
  return !text.startsWith(' ') && !text.endsWith(' ') && !text.includes('  ');
}

/** Whether a text is of the repertoire: 1 to 60 characters, in NFC, no space too many. */
export function isText(text: string): boolean {
  return TEXT.test(text) && spaced(text) && text.normalize('NFC') === text;
}

/** Whether a text can be a label or a title: it can neither write a line of its own nor look like label and value. */
export function isLabel(text: string): boolean {
  return isText(text) && !text.includes(': ');
}

/** A time as milliseconds since 1970; the years are those that a bank books in. */
export function bookedTime(value: string): number {
  const milliseconds = time(value);
  if (!/^2/.test(value)) throw new Error('not a year that a bank books in');
  return milliseconds;
}

/** Midnight of a date, in UTC. */
export function bookedDate(value: string): number {
  if (!/^\d{4}-\d\d-\d\d$/.test(value)) throw new Error('not a date');
  return bookedTime(value + 'T00:00:00Z');
}

function reads(read: (value: string) => number, value: string): boolean {
  try {
    read(value);
    return true;
  } catch {
    return false;
  }
}

/** Whether a value is of the format; `choices` are its allowed values where the format is `choice`. */
export function fits(format: Format, value: string, choices: ReadonlyMap<string, unknown> | undefined): boolean {
  switch (format) {
    case 'text': return isText(value);
    case 'kana': return KANA.test(value) && spaced(value) && value.normalize('NFC') === value;
    case 'digits': return /^[0-9]{1,20}$/.test(value);
    case 'money': return /^(0|[1-9][0-9]{0,14})$/.test(value);
    case 'date': return reads(bookedDate, value);
    // It is shown to the minute: two values that differ must not look alike.
    case 'time': return value.endsWith(':00Z') && reads(bookedTime, value);
    case 'choice': return choices?.has(value) ?? false;
  }
}
