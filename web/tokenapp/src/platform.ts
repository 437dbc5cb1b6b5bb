// What this phone is, in words for the customer's history, and which family of instructions fits it.

export type Family = 'ios' | 'android' | 'other';

/** iPads call themselves Macs; a Mac has no touch screen. */
export function family(): Family {
  const agent = navigator.userAgent;
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1)) return 'ios';
  return /Android/.test(agent) ? 'android' : 'other';
}

/** A short description, at most 80 characters, e.g. "iPhone / Safari". */
export function platform(): string {
  const agent = navigator.userAgent;
  const first = (...pairs: [RegExp, string][]): string => pairs.find(([pattern]) => pattern.test(agent))?.[1] ?? '';
  const device = first([/iPhone/, 'iPhone'], [/iPad/, 'iPad'], [/Android/, 'Android'], [/Windows/, 'Windows'], [/CrOS/, 'ChromeOS'], [/Macintosh/, family() === 'ios' ? 'iPad' : 'Mac'], [/Linux/, 'Linux']);
  const browser = first([/EdgA?\//, 'Edge'], [/SamsungBrowser\//, 'Samsung Internet'], [/FxiOS|Firefox\//, 'Firefox'], [/CriOS|Chrome\//, 'Chrome'], [/Safari\//, 'Safari']);
  return [device, browser].filter(Boolean).join(' / ') || 'Web';
}

/** Whether the app was started from the home screen. */
export function installed(): boolean {
  return matchMedia('(display-mode: standalone), (display-mode: fullscreen), (display-mode: minimal-ui)').matches
    || (navigator as Navigator & { standalone?: boolean }).standalone === true;
}
