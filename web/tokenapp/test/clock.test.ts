import { expect, test } from 'vitest';
import { fromBase64url } from '../src/protocol/bytes.ts';
import { offset, span } from '../src/protocol/clock.ts';
import { proof } from '../src/protocol/dpop.ts';
import { stepAt } from '../src/protocol/otp.ts';

test('half the round trip is taken off', () => {
  // The phone is 4 minutes behind; the answer took 200 ms there and back.
  expect(offset(1_000_000, 1_000_000 - 240_000 + 100, 200)).toBe(240_000);
  expect(offset(1_000_000, 1_000_000 + 10_800_000 + 100, 200)).toBe(-10_800_000);
});

test('a difference in words leaves the small change out', () => {
  expect(span(-31_000)).toEqual({ days: 0, hours: 0, minutes: 0, seconds: 31 });
  expect(span(245_400)).toEqual({ days: 0, hours: 0, minutes: 4, seconds: 5 });
  expect(span(3 * 3600_000 + 20_000)).toEqual({ days: 0, hours: 3, minutes: 0, seconds: 0 });
  expect(span(3599_900)).toEqual({ days: 0, hours: 1, minutes: 0, seconds: 0 });
  expect(span(2 * 86_400_000 + 4 * 3600_000 + 59_000)).toEqual({ days: 2, hours: 4, minutes: 0, seconds: 0 });
});

test('a request tells the time that the codes are made by: that is how the bank knows that a clock is right again', async () => {
  const { privateKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  for (const now of [1_800_000_000_000, 1_800_000_059_999, 1_800_000_060_000]) {
    const [, payload] = (await proof(privateKey, 'tok_1', 'GET', 'https://token.bank.example/v1/token', now)).split('.');
    const { iat } = JSON.parse(new TextDecoder().decode(fromBase64url(payload!))) as { iat: number };
    expect(stepAt(iat * 1000)).toBe(stepAt(now));
  }
});
