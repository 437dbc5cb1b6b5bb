// Every sentence the app shows, in two languages, from web/text.

import type ja from '../../text/ja/tokenapp.json';
import type jaDesk from '../../text/ja/tokenapp-desk.json';
import type en from '../../text/en/tokenapp.json';
import type enDesk from '../../text/en/tokenapp-desk.json';

export type Lang = 'ja' | 'en';
export type Key = (keyof typeof ja & keyof typeof en) | (keyof typeof jaDesk & keyof typeof enDesk);
type Sentences = Record<Key, string>;

// Fetched when it is spoken, and kept by the service worker like everything else.
type Fetch = Record<Lang, () => Promise<{ default: Partial<Sentences> }>>;
const fetched: Fetch = { ja: () => import('./text/ja.ts'), en: () => import('./text/en.ts') };
/** The sentences about transactions, half of all, come with the part that says them. */
const fetchedForDesk: Fetch = { ja: () => import('./text/ja-desk.ts'), en: () => import('./text/en-desk.ts') };
let desk = false;
const sentences: Partial<Record<Lang, Sentences>> = {};

async function learn(lang: Lang): Promise<void> {
  const both = desk;
  const [plain, more] = await Promise.all([fetched[lang](), both ? fetchedForDesk[lang]() : undefined]);
  if (both !== desk) return learn(lang);
  sentences[lang] = { ...plain.default, ...more?.default } as Sentences;
}

/** Fetches what the part about transactions has to say, in the language that is spoken; from then on every language comes whole. */
export async function learnDesk(): Promise<void> {
  desk = true;
  try {
    await learn(language.now);
  } catch (error) {
    desk = false;
    throw error;
  }
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

// The bank is in Japan: its dates and hours are those that its pages, mails and papers name, wherever the phone is.
const BANK = { timeZone: 'Asia/Tokyo' } as const;

/** A date in full, in the bank's time zone. */
export function date(milliseconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'long', ...BANK }).format(milliseconds);
}

/** A date with the time of day in the bank's time zone, which is named where the phone's is another one. */
export function moment(milliseconds: number): string {
  const at = new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short', ...BANK }).format(milliseconds);
  return new Date(milliseconds).getTimezoneOffset() === -9 * 60 ? at : t('time.japan', { at });
}
