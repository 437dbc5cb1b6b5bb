// Every sentence the app shows, in two languages, from web/text.

import type ja from '../../text/ja/tokenapp.json';
import type en from '../../text/en/tokenapp.json';

export type Lang = 'ja' | 'en';
export type Key = keyof typeof ja & keyof typeof en;
type Sentences = Record<Key, string>;

// Fetched when it is spoken, and kept by the service worker like everything else.
const fetched: Record<Lang, () => Promise<{ default: Sentences }>> = { ja: () => import('./text/ja.ts'), en: () => import('./text/en.ts') };
const sentences: Partial<Record<Lang, Sentences>> = {};

async function learn(lang: Lang): Promise<void> {
  sentences[lang] ??= (await fetched[lang]()).default;
}

function remembered(): Lang {
  try {
    const chosen = localStorage.getItem('lang');
    if (chosen === 'ja' || chosen === 'en') return chosen;
  } catch {
    // No storage, no memory: the phone's own language is asked each time.
  }
  return navigator.language.toLowerCase().startsWith('ja') ? 'ja' : 'en';
}

export const language = $state({ now: remembered() });

/** Fetches the sentences of the first screen. If the connection breaks just there, the other language is better than none. */
export async function learnToSpeak(): Promise<void> {
  try {
    await learn(language.now);
  } catch {
    const other = language.now === 'ja' ? 'en' : 'ja';
    await learn(other);
    language.now = other;
  }
}

/** The sentence of a key, with its placeholders filled. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return sentences[language.now]![key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Changes the language and remembers it. Without its sentences everything stays in the language it is in. */
export async function speak(lang: Lang): Promise<void> {
  try {
    await learn(lang);
  } catch {
    return;
  }
  language.now = lang;
  try {
    localStorage.setItem('lang', lang);
  } catch {
    // See above.
  }
}

const KINDS: Record<string, Key> = { 普通: 'account.ordinary', 当座: 'account.current', 貯蓄: 'account.savings' };

/** An account as the bank names it, "101 普通 ***0002", with the usual kinds in the language of the screen. */
export function accountName(account: string): string {
  return account.replace(/普通|当座|貯蓄/, (kind) => t(KINDS[kind]!));
}

const locale = (): string => (language.now === 'ja' ? 'ja-JP' : 'en-GB');

/** A date in full, in the phone's time zone. */
export function date(milliseconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'long' }).format(milliseconds);
}

/** A date with the time of day. */
export function moment(milliseconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(milliseconds);
}
