// The phone's clock against the server's.

/** The app says that the clock is off when it is off by more than this. */
export const NOTICEABLE = 30_000;

/**
 * What must be added to the phone's clock. The server read its clock somewhere between sending and receiving;
 * half the round trip is the best guess, and at most half the round trip wrong.
 */
export function offset(serverTime: number, received: number, roundTrip: number): number {
  return Math.round(serverTime - (received - roundTrip / 2));
}

/** How far off, in the two largest units, for a sentence. */
export type Span = { days: number; hours: number; minutes: number; seconds: number };

/** Splits a difference into words: 3 hours 12 minutes; the small change of a large difference is left out. */
export function span(milliseconds: number): Span {
  let seconds = Math.round(Math.abs(milliseconds) / 1000);
  if (seconds >= 3600) seconds = Math.round(seconds / 60) * 60;
  if (seconds >= 86_400) seconds = Math.round(seconds / 3600) * 3600;
  return {
    days: Math.floor(seconds / 86_400),
    hours: Math.floor(seconds / 3600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
  };
}
