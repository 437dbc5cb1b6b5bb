// Both languages say the same things, and every sentence has a place on a screen.

import { expect, test, vi } from 'vitest';
import jaFirst from '../../text/ja/tokenapp.json';
import jaDesk from '../../text/ja/tokenapp-desk.json';
import enFirst from '../../text/en/tokenapp.json';
import enDesk from '../../text/en/tokenapp-desk.json';

const ja = { ...jaFirst, ...jaDesk };
const en = { ...enFirst, ...enDesk };
const files = import.meta.glob('../src/**/*.{svelte,ts}', { eager: true, query: '?raw', import: 'default' }) as Record<string, string>;
const sources = Object.values(files).join('\n');
const placeholders = (sentence: string): string[] => [...sentence.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

test('the same keys in the same order', () => {
  expect(Object.keys(en)).toEqual(Object.keys(ja));
  expect(Object.keys(enDesk)).toEqual(Object.keys(jaDesk));
  expect(Object.keys(ja)).toHaveLength(Object.keys(jaFirst).length + Object.keys(jaDesk).length);
});

// Keys that are put together from parts appear in the sources up to the part that varies.
function said(key: string, where: string): boolean {
  const parts = key.split('.');
  return where.includes(`'${key}'`) || parts.some((_, at) => at > 0 && where.includes('`' + parts.slice(0, at).join('.') + '.${'))
    || /^(need|scan)\./.test(key) && where.includes('`' + parts[0] + '.${');
}

test.each(Object.keys(ja) as (keyof typeof ja)[])('%s', (key) => {
  expect(placeholders(en[key])).toEqual(placeholders(ja[key]));
  if (key !== 'span.joint') expect(ja[key] && en[key]).not.toBe('');
  expect(said(key, sources)).toBe(true);
  // One spelling everywhere, and Japanese brackets in Japanese sentences.
  expect(ja[key]).not.toMatch(/ブラウザー|おなまえ|[()]/);
});

// What the first load needs lies in the first file: the other one comes with the part about transactions.
test('nothing that is loaded first says what is fetched later', () => {
  const first = new Set<string>();
  const load = (path: string): void => {
    if (first.has(path) || files[path] === undefined) return;
    first.add(path);
    for (const [, from] of files[path].matchAll(/(?:^|\n)\s*(?:import|export)\s(?!type\b)[^;]*?'(\.[^']+)'/g)) load('../' + new URL(from!, 'file:///' + path.slice(3)).pathname.slice(1));
  };
  load('../src/main.ts');
  expect(first.size).toBeGreaterThan(40);
  expect(first).not.toContain('../src/transaction.ts');
  const loaded = [...first].map((path) => files[path]).join('\n');
  expect(Object.keys(jaDesk).filter((key) => said(key, loaded))).toEqual([]);
});

// Half past midnight in Japan is still the day before in London: a token ends on the day that the bank's papers name.
test('dates are those of the bank, wherever the phone is', async () => {
  vi.stubGlobal('navigator', { language: 'ja' });
  const { date, learnToSpeak, moment } = await import('../src/text.svelte');
  await learnToSpeak();
  const at = Date.UTC(2026, 10, 22, 15, 30);
  try {
    for (const [where, named] of [['Europe/London', true], ['America/Los_Angeles', true], ['Asia/Tokyo', false]] as const) {
      vi.stubEnv('TZ', where);
      expect(date(at)).toBe('2026年11月23日');
      expect(moment(at)).toBe(named ? '2026/11/23 0:30（日本時間）' : '2026/11/23 0:30');
    }
  } finally {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
  }
});
