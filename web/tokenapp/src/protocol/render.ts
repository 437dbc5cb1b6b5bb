// The rendering: the one text that a document is shown as. The screen is built from these very lines and the decision signs
// their hash, so that what was on the screen can be proved afterwards. Nothing here asks the phone for its idea of a date or a
// number: the same document gives the same bytes on every phone.

import { utf8, sha256, toBase64url } from './bytes.ts';
import type { Checked } from './document.ts';
import { bookedDate, bookedTime, HIRAGANA, KATAKANA, type Format } from './form.ts';
import type { Label } from './templates.ts';

export type Language = 'ja' | 'en';

/** One line of the rendering; label and value stand apart only so that a screen can set them apart. */
export type Line = { label: string; value: string; format: Format | 'reference' };
export type Rendering = { title: string; lines: Line[]; text: string };

const HAN_LIKE_KATAKANA = '一二三八力工口夕卜才千';
const HIRAGANA_LIKE_KATAKANA = 'へべぺ';
const KATAKANA_LIKE_HIRAGANA = 'ヘベペ';
const MARKS: Record<Language, { han: string; hiragana: string; katakana: string }> = {
  ja: { han: '〔漢字〕', hiragana: '〔ひらがな〕', katakana: '〔カタカナ〕' },
  en: { han: '〔kanji〕', hiragana: '〔hiragana〕', katakana: '〔katakana〕' },
};

/** The value with every sign marked that could be taken for one of another script. No value can write the marks' brackets. */
export function told(value: string, language: Language): string {
  const signs = [...value];
  const marks = MARKS[language];
  // A sign stands among those of a script: one at its side, and on the other side one as well, a space or nothing.
  const among = (at: number, script: RegExp): boolean => {
    const [before, after] = [signs[at - 1] ?? ' ', signs[at + 1] ?? ' '];
    const [left, right] = [script.test(before), script.test(after)];
    return (left && (right || after === ' ')) || (right && before === ' ');
  };
  return signs.map((sign, at) => {
    if (HAN_LIKE_KATAKANA.includes(sign) && among(at, KATAKANA)) return sign + marks.han;
    if (HIRAGANA_LIKE_KATAKANA.includes(sign) && among(at, KATAKANA)) return sign + marks.hiragana;
    if (KATAKANA_LIKE_HIRAGANA.includes(sign) && among(at, HIRAGANA)) return sign + marks.katakana;
    return sign;
  }).join('');
}

function money(value: string, currency: string, language: Language): string {
  const padded = currency === 'JPY' ? value : value.padStart(3, '0');
  const whole = currency === 'JPY' ? padded : padded.slice(0, -2);
  const amount = whole.replace(/\B(?=(\d{3})+$)/g, ',') + (currency === 'JPY' ? '' : '.' + padded.slice(-2));
  if (language === 'en') return `${currency} ${amount}`;
  return currency === 'JPY' ? `${amount}円` : `${amount} ${currency}`;
}

const WEEKDAYS: Record<Language, string[]> = {
  ja: ['日', '月', '火', '水', '木', '金', '土'],
  en: ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'],
};
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];

function date(milliseconds: number, language: Language): string {
  const day = new Date(milliseconds);
  const weekday = WEEKDAYS[language][day.getUTCDay()]!;
  if (language === 'ja') return `${day.getUTCFullYear()}年${day.getUTCMonth() + 1}月${day.getUTCDate()}日(${weekday})`;
  return `${weekday} ${day.getUTCDate()} ${MONTHS[day.getUTCMonth()]!} ${day.getUTCFullYear()}`;
}

/** Japan's time is nine hours ahead, and has had no summer time since 1951. */
const JAPAN = 9 * 3600_000;

function moment(milliseconds: number, language: Language): string {
  const there = new Date(milliseconds + JAPAN);
  const clock = `${String(there.getUTCHours()).padStart(2, '0')}:${String(there.getUTCMinutes()).padStart(2, '0')}`;
  return `${date(there.getTime(), language)} ${clock}${language === 'en' ? ' JST' : ''}`;
}

/** A value as it is shown. It must be of its form. */
export function shown(format: Format, value: string, currency: string, language: Language, choices: ReadonlyMap<string, Label> | undefined): string {
  switch (format) {
    case 'text':
    case 'kana': return told(value, language);
    case 'digits': return value;
    case 'money': return money(value, currency, language);
    case 'date': return date(bookedDate(value), language);
    case 'time': return moment(bookedTime(value), language);
    case 'choice': return choices!.get(value)![language];
  }
}

/** The short name of a transaction, which the bank's page shows as well. */
export function reference(id: string): string {
  const tail = id.slice(-8).toUpperCase();
  return tail.slice(0, 4) + '-' + tail.slice(4);
}

/** Renders a document by its bundle. */
export function render({ document, bundle }: Checked, language: Language): Rendering {
  const title = bundle.templates.get(document.template)!.title[language];
  const lines: Line[] = document.fields.map(({ id, value }) => {
    const field = bundle.fields.get(id)!;
    return { label: field.label[language], value: shown(field.format, value, document.currency, language, bundle.choices.get(id)), format: field.format };
  });
  lines.push({ label: language === 'ja' ? '照合番号' : 'Reference', value: reference(document.id), format: 'reference' });
  return { title, lines, text: [title, ...lines.map((line) => `${line.label}: ${line.value}`)].join('\n') };
}

/** What the decision says was on the screen. */
export async function display(rendering: Rendering): Promise<string> {
  return toBase64url(await sha256(utf8(rendering.text)));
}
