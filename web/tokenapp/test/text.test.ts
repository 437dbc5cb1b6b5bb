// Both languages say the same things, and every sentence has a place on a screen.

import { expect, test } from 'vitest';
import ja from '../../text/ja/tokenapp.json';
import en from '../../text/en/tokenapp.json';

const sources = Object.values(import.meta.glob('../src/**/*.{svelte,ts}', { eager: true, query: '?raw', import: 'default' }) as Record<string, string>).join('\n');
const placeholders = (sentence: string): string[] => [...sentence.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

test('the same keys in the same order', () => {
  expect(Object.keys(en)).toEqual(Object.keys(ja));
});

test.each(Object.keys(ja) as (keyof typeof ja)[])('%s', (key) => {
  expect(placeholders(en[key])).toEqual(placeholders(ja[key]));
  if (key !== 'span.joint') expect(ja[key] && en[key]).not.toBe('');
  // Keys that are put together from parts appear in the sources up to the part that varies.
  const parts = key.split('.');
  const used = sources.includes(`'${key}'`) || parts.some((_, at) => at > 0 && sources.includes('`' + parts.slice(0, at).join('.') + '.${'))
    || /^(need|scan)\./.test(key) && sources.includes('`' + parts[0] + '.${');
  expect(used).toBe(true);
});
