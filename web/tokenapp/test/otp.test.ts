// RFC 4226 appendix D and RFC 6238 appendix B, with the steps of 30 and of 60 seconds.

import { expect, test } from 'vitest';
import { utf8 } from '../src/protocol/bytes.ts';
import { counterBytes, password, rawKey, stepAt } from '../src/protocol/otp.ts';

const KEY_20 = utf8('12345678901234567890');
const KEY_32 = utf8('12345678901234567890123456789012');

test('RFC 4226 appendix D', async () => {
  const key = await rawKey(KEY_20, 'SHA-1');
  const wanted = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'];
  for (const [counter, code] of wanted.entries()) expect(await password(key, counter)).toBe(code);
});

test.each([
  [59, 30, '46119246'], [1111111109, 30, '68084774'], [1111111111, 30, '67062674'],
  [1234567890, 30, '91819424'], [2000000000, 30, '90698825'], [20000000000, 30, '77737706'],
  [59, 60, '18920136'], [1111111109, 60, '40857319'], [1234567890, 60, '16450756'], [2000000000, 60, '34471171'], [20000000000, 60, '03964845'],
])('SHA-256 at %i with a step of %i s', async (seconds, step, code) => {
  const key = await rawKey(KEY_32);
  expect(await password(key, stepAt(seconds * 1000, step * 1000), 8)).toBe(code);
  expect(await password(key, stepAt(seconds * 1000, step * 1000))).toBe(code.slice(2));
});

test('a counter fills eight bytes', () => {
  expect([...counterBytes(2 ** 32 + 1)]).toEqual([0, 0, 0, 1, 0, 0, 0, 1]);
});
