// The corrected clock: the phone's time plus the offset measured at the last contact. Every code on the screen hangs on it.

import { time } from './api.ts';
import { NOTICEABLE, offset, span } from './protocol/clock.ts';
import { STEP, stepAt } from './protocol/otp.ts';
import * as store from './store.ts';
import { t } from './text.svelte.ts';

class Clock {
  /** Milliseconds since 1970, corrected; moves once a second. */
  now = $state(Date.now());
  offset = $state(0);
  /** When the offset was measured, by the corrected clock; 0 if never. */
  measured = $state(0);
  step = $derived(stepAt(this.now));
  /** Whole seconds until the next password, from 60 down to 1. */
  remaining = $derived(Math.ceil((STEP - (this.now % STEP)) / 1000));
  off = $derived(Math.abs(this.offset) > NOTICEABLE);
  /** Told when the clock was put right, and with it the codes: the time in the next request tells the bank. */
  oncorrected: (() => void) | undefined;
  #measuring: Promise<boolean> | undefined;
  #skew = Date.now() - performance.now();

  /** Starts ticking with what is stored, and asks the server as soon as it can be reached. */
  async start(): Promise<void> {
    try {
      const known = await store.clock();
      if (known) {
        this.offset = known.offset;
        this.measured = known.measured;
      }
    } catch {
      // Without the stored offset the phone's own clock is the best there is.
    }
    this.#tick();
    void this.measure();
    addEventListener('online', () => void this.measure());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'visible') return;
      this.now = Date.now() + this.offset;
      void this.measure();
    });
  }

  #tick = (): void => {
    this.now = Date.now() + this.offset;
    // Somebody set the phone's clock while the app was open: the offset is stale from this second on.
    const skew = Date.now() - performance.now();
    if (Math.abs(skew - this.#skew) > 2000) void this.measure();
    this.#skew = skew;
    setTimeout(this.#tick, 1000 - (this.now % 1000) + 5);
  };

  /** Measures the offset. Several callers at once share one measurement. */
  measure(): Promise<boolean> {
    this.#measuring ??= this.#ask().finally(() => { this.#measuring = undefined; });
    return this.#measuring;
  }

  async #ask(): Promise<boolean> {
    try {
      const { server, received, roundTrip } = await time();
      const before = this.offset;
      this.offset = offset(server, received, roundTrip);
      this.measured = Date.now() + this.offset;
      this.now = this.measured;
      await store.setClock({ offset: this.offset, measured: this.measured });
      if (Math.abs(this.offset - before) > NOTICEABLE) this.oncorrected?.();
      return true;
    } catch {
      return false;
    }
  }
}

export const clock = new Clock();

/** How far the phone's clock is off, in words: "3時間", "4 minutes". */
export function difference(): string {
  const { days, hours, minutes, seconds } = span(clock.offset);
  const parts: string[] = [];
  if (days) parts.push(t(days === 1 ? 'span.day' : 'span.days', { n: days }));
  if (hours) parts.push(t(hours === 1 ? 'span.hour' : 'span.hours', { n: hours }));
  if (minutes) parts.push(t(minutes === 1 ? 'span.minute' : 'span.minutes', { n: minutes }));
  if (seconds && parts.length < 2) parts.push(t(seconds === 1 ? 'span.second' : 'span.seconds', { n: seconds }));
  return parts.join(t('span.joint')) || t('span.seconds', { n: 0 });
}
