import { expect, test } from 'vitest';
import { fromFragment, fromLink, grouped, tidy, typedKey, typedNumber } from '../src/protocol/key.ts';
import { checkDigits, checked } from '../src/protocol/mod97.ts';

const FRAGMENT = '1.enr_01jd5q2k3m4n5p6q7r8s9t0v1w.AAECAwQFBgcICQoLDA0ODw.9F4N6c0Zq1bF3m8xq3p8yqk9Yw0u2j5h7r1t4v6x8zA';

test('check digits catch every wrong digit and every swap of neighbours', () => {
  const body = '82714279947027';
  const good = body + checkDigits(body);
  expect(checked(good)).toBe(true);
  for (let at = 0; at < good.length; at++) {
    for (let digit = 0; digit < 10; digit++) {
      const other = good.slice(0, at) + digit + good.slice(at + 1);
      expect(checked(other)).toBe(other === good);
    }
    const swapped = good.slice(0, at) + (good[at + 1] ?? '') + good[at]! + good.slice(at + 2);
    if (swapped !== good) expect(checked(swapped)).toBe(false);
  }
});

test('typed digits in every width and grouping', () => {
  const good = '00000000000000' + checkDigits('00000000000000');
  expect(tidy('12-34 56ー78')).toBe('12345678');
  expect(tidy('1234\u30005678\u2010\u2212\u2014')).toBe('12345678');
  expect(typedKey(grouped(good))).toEqual({ digits: good, state: 'good' });
  expect(typedKey('').state).toBe('empty');
  expect(typedKey('12a').state).toBe('not-digits');
  expect(typedKey(good.slice(1)).state).toBe('short');
  expect(typedKey(good + '0').state).toBe('long');
  expect(typedKey('1' + good.slice(1)).state).toBe('mistyped');
  expect(typedNumber('1234 5678').state).toBe('good');
  expect(grouped('123456789')).toBe('1234 5678 9');
});

test('the link of the QR code', () => {
  const origin = 'https://token.bank.example';
  expect(fromLink(`${origin}/r#${FRAGMENT}`, origin)).toMatchObject({ form: 'qr', enrolment: 'enr_01jd5q2k3m4n5p6q7r8s9t0v1w' });
  expect(fromLink(`https://token.other.example/r#${FRAGMENT}`, origin)).toBe('other-service');
  for (const wrong of ['', 'hello', `${origin}/#${FRAGMENT}`, `${origin}/r`, `${origin}/r?x#${FRAGMENT}`, 'otpauth://totp/x?secret=y']) {
    expect(fromLink(wrong, origin)).toBe('not-a-key');
  }
  for (const wrong of ['2' + FRAGMENT.slice(1), FRAGMENT + 'A', FRAGMENT.replace('enr_', 'tok_'), FRAGMENT.replace('enr_01', 'enr_0I'), FRAGMENT.slice(0, -1) + 'B']) {
    expect(fromFragment(wrong)).toBeUndefined();
  }
});
