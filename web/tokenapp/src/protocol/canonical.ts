// Canonical JSON: RFC 8785 restricted to objects, arrays, strings, true and false.
// It is written once, when an object is made. A reader accepts exactly the canonical bytes and refuses the rest.

import { utf8, type Bytes } from './bytes.ts';

export type Canonical = string | boolean | Canonical[] | { [name: string]: Canonical };

const MAX_DEPTH = 8;
const MAX_BYTES = 16 * 1024;
const NAME = /^[a-z0-9_.]+$/;

// Control characters, bidirectional controls, line and paragraph separators, lone surrogates:
// what would make a text read differently from what it is.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/u;

function checkText(text: string): void {
  if (FORBIDDEN.test(text)) throw new Error('a text holds a character that is not allowed');
  if (text.normalize('NFC') !== text) throw new Error('a text is not in NFC');
}

function quote(text: string): string {
  checkText(text);
  return '"' + text.replaceAll('\\', '\\\\').replaceAll('"', '\\"') + '"';
}

function writeValue(value: Canonical, depth: number): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value !== 'object' || value === null) throw new Error('only texts, lists, objects, true and false are allowed');
  if (depth > MAX_DEPTH) throw new Error('nested too deep');
  if (Array.isArray(value)) return '[' + value.map((item) => writeValue(item, depth + 1)).join(',') + ']';
  const members = Object.keys(value).sort().map((name) => {
    if (!NAME.test(name)) throw new Error('a member has a name that is not allowed');
    return '"' + name + '":' + writeValue(value[name]!, depth + 1);
  });
  return '{' + members.join(',') + '}';
}

/** What stands for itself is always an object: a text or a list alone says nothing about what it is. */
function whole(value: Canonical): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object');
}

/** The canonical text of an object. */
export function write(value: Canonical): string {
  whole(value);
  const text = writeValue(value, 1);
  if (utf8(text).length > MAX_BYTES) throw new Error('too long');
  return text;
}

/** Reads canonical bytes; anything that `write` would not have written is refused. */
export function read(bytes: Bytes): Canonical {
  if (bytes.length > MAX_BYTES) throw new Error('too long');
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  let at = 0;

  function take(expected: string): void {
    if (!text.startsWith(expected, at)) throw new Error(`expected ${expected} at ${at}`);
    at += expected.length;
  }

  function readText(): string {
    take('"');
    let out = '';
    for (;;) {
      const character = text[at++];
      if (character === undefined) throw new Error('a text does not end');
      if (character === '"') break;
      if (character !== '\\') {
        out += character;
        continue;
      }
      const escaped = text[at++];
      if (escaped !== '"' && escaped !== '\\') throw new Error('an escape that is not needed');
      out += escaped;
    }
    checkText(out);
    return out;
  }

  function readList(depth: number): Canonical[] {
    const out: Canonical[] = [];
    take('[');
    if (text[at] !== ']') {
      for (;;) {
        out.push(readValue(depth + 1));
        if (text[at] !== ',') break;
        at++;
      }
    }
    take(']');
    return out;
  }

  function readObject(depth: number): Canonical {
    // Without a prototype, a member called "constructor" is a member and nothing else.
    const out: { [name: string]: Canonical } = Object.create(null) as { [name: string]: Canonical };
    let last = '';
    take('{');
    if (text[at] !== '}') {
      for (;;) {
        const name = readText();
        if (!NAME.test(name)) throw new Error('a member has a name that is not allowed');
        // Sorted and strictly rising: this also refuses a name that stands twice.
        if (name <= last) throw new Error('members are not in order');
        last = name;
        take(':');
        out[name] = readValue(depth + 1);
        if (text[at] !== ',') break;
        at++;
      }
    }
    take('}');
    return out;
  }

  function readValue(depth: number): Canonical {
    switch (text[at]) {
      case '"': return readText();
      case 't': take('true'); return true;
      case 'f': take('false'); return false;
    }
    if (depth > MAX_DEPTH) throw new Error('nested too deep');
    if (text[at] === '[') return readList(depth);
    if (text[at] === '{') return readObject(depth);
    throw new Error(`nothing canonical begins at ${at}`);
  }

  const value = readValue(1);
  if (at !== text.length) throw new Error('something follows the value');
  whole(value);
  return value;
}

/** The members of an object: texts, and behind names that end in {} objects, in [] lists. */
export type Members<Name extends string> = {
  [N in Name as N extends `${infer Bare}{}` | `${infer Bare}[]` ? Bare : N]:
    N extends `${string}{}` ? { [name: string]: Canonical } : N extends `${string}[]` ? Canonical[] : string;
};

/**
 * An object with exactly these members, each of its type: a text, or an object where the name ends in {}, or a list where it ends in [].
 * One too many, one too few and one of another type are all refused.
 */
export function exact<Name extends string>(value: Canonical | undefined, ...names: Name[]): Members<Name> {
  if (typeof value !== 'object' || Array.isArray(value)) throw new Error('not an object');
  const found = Object.keys(value);
  if (found.length !== names.length) throw new Error(`members are ${found.join(' ')}, not ${names.join(' ')}`);
  for (const name of names) {
    const bare = name.replace(/{}$|\[\]$/, '');
    if (!found.includes(bare)) throw new Error(`members are ${found.join(' ')}, not ${names.join(' ')}`);
    const member = value[bare]!;
    const type = typeof member !== 'object' ? typeof member : Array.isArray(member) ? '[]' : '{}';
    if (type !== (name === bare ? 'string' : name.slice(bare.length))) throw new Error(`the member ${bare} is of another type`);
  }
  return value as Members<Name>;
}

/** A text, and nothing else. */
export function text(value: Canonical | undefined): string {
  if (typeof value !== 'string') throw new Error('not a text');
  return value;
}

/** A time in the one form used here (RFC 3339, UTC, whole seconds), as milliseconds since 1970. */
export function time(value: Canonical | undefined): number {
  const written = text(value);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(written)) throw new Error('not a time');
  const milliseconds = Date.parse(written);
  // Reading it back catches the 30th of February, which some engines take for the 1st of March.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString().replace('.000', '') !== written) throw new Error('not a time');
  return milliseconds;
}
