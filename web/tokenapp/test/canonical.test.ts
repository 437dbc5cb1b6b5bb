import { expect, test } from 'vitest';
import { concat, fromBase64url, toBase64url, utf8 } from '../src/protocol/bytes.ts';
import { exact, read, time, write, type Canonical } from '../src/protocol/canonical.ts';

test.each<[string, Canonical]>([
  ['{}', {}],
  ['{"a":"1","b":[true,false,"x"],"c.d_9":{"e":{}}}', { b: [true, false, 'x'], a: '1', 'c.d_9': { e: {} } }],
  ['{"a":"\\"\\\\/"}', { a: '"\\/' }],
  ['{"a":"振込先 カ)ショウナイ"}', { a: '振込先 カ)ショウナイ' }],
  ['{"a":"\u{20bb7}野家"}', { a: '\u{20bb7}野家' }],
])('writes and reads %s', (text, value) => {
  expect(write(value)).toBe(text);
  expect(write(read(utf8(text)))).toBe(text);
});

test.each([
  '', ' {}', '{} ', '{ }', '{"a":"1" }', '1', 'null', '[null]', '-0', '1e400', '"', '{', '[', '[,]', '["a",]', '{"a":"1",}',
  '{"b":"","a":""}', '{"a":"","a":""}', '{"A":""}', '{"é":""}', '{"":""}', '{"a b":""}',
  ...['\\/', '\\n', '\\u0041', 'a\nb', '\u007f', '\u0085', '\u200f', '\u202e', '\u2028', '\u2066', '\u061c', 'か\u3099'].map((text) => `{"a":"${text}"}`),
  '""', '[]', 'true', '["a"]', '{"a":tru}', '{"a":True}', '{"a":[[[[[[[[]]]]]]]]}', "'a'", '{"a"}', '{"a":}', '{}{}', '\ufeff{}',
])('refuses %j', (text) => {
  expect(() => read(utf8(text))).toThrow();
});

test('refuses bytes that are not UTF-8', () => {
  expect(() => read(concat(utf8('{"a":"'), new Uint8Array([0xed, 0xa0, 0x80]), utf8('"}')))).toThrow();
  expect(() => read(concat(utf8('{"a":"'), new Uint8Array([0xc0, 0xaf]), utf8('"}')))).toThrow();
});

test('refuses what it would not read back', () => {
  expect(() => write({ a: '\ud800' })).toThrow();
  expect(() => write({ 'A': '' })).toThrow();
  expect(() => write({ a: 1 as unknown as Canonical })).toThrow();
  expect(() => write({ a: null as unknown as Canonical })).toThrow();
  expect(() => write(['a'])).toThrow();
  expect(() => write({ a: 'x'.repeat(16 * 1024) })).toThrow();
  expect(() => read(utf8('{"a":"' + 'x'.repeat(16 * 1024) + '"}'))).toThrow();
  expect(write(read(utf8('{"a":[[[[[[[]]]]]]]}')))).toBe('{"a":[[[[[[[]]]]]]]}');
});

test('an object has exactly the members asked for', () => {
  expect(exact(read(utf8('{"a":"1","b":"2"}')), 'a', 'b').b).toBe('2');
  expect(() => exact({ a: '1' }, 'a', 'b')).toThrow();
  expect(() => exact({ a: '1', b: '2', c: '3' }, 'a', 'b')).toThrow();
  expect(() => exact(['a'], 'a')).toThrow();
});

test('a member of another type is refused', () => {
  const whole = { a: 'text', b: { c: 'd' }, e: ['f'] };
  expect(exact(whole, 'a', 'b{}', 'e[]')).toEqual(whole);
  for (const wrong of [true, false, {}, [], '']) {
    if (wrong !== '') expect(() => exact({ ...whole, a: wrong }, 'a', 'b{}', 'e[]')).toThrow('another type');
    if (typeof wrong !== 'object' || Array.isArray(wrong)) expect(() => exact({ ...whole, b: wrong }, 'a', 'b{}', 'e[]')).toThrow('another type');
    if (!Array.isArray(wrong)) expect(() => exact({ ...whole, e: wrong }, 'a', 'b{}', 'e[]')).toThrow('another type');
  }
});

test('a time has one form', () => {
  expect(time('2026-11-22T01:02:03Z')).toBe(Date.UTC(2026, 10, 22, 1, 2, 3));
  for (const wrong of ['2026-11-22T01:02:03+00:00', '2026-11-22T01:02:03.0Z', '2026-02-30T00:00:00Z', '2026-11-22', '2026-11-22T25:00:00Z']) {
    expect(() => time(wrong)).toThrow();
  }
});

test('base64url has one text for each byte string', () => {
  expect(toBase64url(new Uint8Array([251, 255]))).toBe('-_8');
  expect([...fromBase64url('-_8')]).toEqual([251, 255]);
  for (const wrong of ['-_9', '-_8=', '+/8', 'a', 'あ', '-_8 ']) expect(() => fromBase64url(wrong)).toThrow();
});
