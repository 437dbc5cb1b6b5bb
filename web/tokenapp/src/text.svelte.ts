// Every sentence the app shows, in two languages, from web/text.

import ja from '../../text/ja/tokenapp.json';
import en from '../../text/en/tokenapp.json';

export type Lang = 'ja' | 'en';
export type Key = keyof typeof ja & keyof typeof en;

const sentences: Record<Lang, Record<Key, string>> = { ja, en };

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

/** The sentence of a key, with its placeholders filled. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return sentences[language.now][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Changes the language and remembers it. */
export function speak(lang: Lang): void {
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
