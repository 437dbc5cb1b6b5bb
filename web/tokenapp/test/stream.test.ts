import { afterEach, expect, test, vi } from 'vitest';
import { listen, pauseAfter, readEvents } from '../src/stream.ts';

const bytes = new TextEncoder();

function body(...chunks: string[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(bytes.encode(chunk));
      controller.close();
    },
  });
}

afterEach(() => { vi.useRealTimers(); });

test('events are read however the network cuts them, and comments say nothing', async () => {
  const seen: string[] = [];
  const chunks = [': hello\n\nevent: trans', 'action\r\ndata: {}\r', '\n\r\n: 25 s\n', '\nevent: other\ndata: {}\n\ndata: {}\n\nevent: transaction\n', 'data: {}\n\nevent: transaction\n'];
  await readEvents(body(...chunks), (name) => seen.push(name), () => undefined);
  expect(seen).toEqual(['transaction', 'other', 'transaction']);
});

test('a line that never ends ends the reading', async () => {
  await expect(readEvents(body('event: ' + 'x'.repeat(5000)), () => undefined, () => undefined)).rejects.toThrow();
});

test('pauses grow up to a minute and are spread', () => {
  expect(pauseAfter(0, 0)).toBe(500);
  expect(pauseAfter(0, 1)).toBe(1000);
  expect(pauseAfter(3, 1)).toBe(8000);
  expect(pauseAfter(40, 1)).toBe(60_000);
  expect(pauseAfter(40, 0)).toBe(30_000);
});

test('a stream that breaks is opened anew, later each time, until it is stopped', async () => {
  vi.useFakeTimers();
  const opened: number[] = [];
  const live: boolean[] = [];
  let looks = 0;
  const stop = listen({
    open: async () => {
      opened.push(performance.now());
      if (opened.length === 2) return new Response(body('event: transaction\ndata: {}\n\n'), { headers: { 'Content-Type': 'text/event-stream' } });
      throw new TypeError('no network');
    },
    look: () => { looks++; },
    live: (stands) => { live.push(stands); },
  });
  await vi.advanceTimersByTimeAsync(60_000);
  // Once for the new connection and once for the event.
  expect(looks).toBe(2);
  expect(live.slice(0, 3)).toEqual([false, true, false]);
  expect(opened.length).toBeGreaterThan(4);
  expect(opened.at(-1)! - opened.at(-2)!).toBeGreaterThan(opened[1]! - opened[0]!);
  stop();
  const count = opened.length;
  await vi.advanceTimersByTimeAsync(300_000);
  expect(opened).toHaveLength(count);
});

test('a page in place of the stream, or a stream that falls silent, is no stream', async () => {
  vi.useFakeTimers();
  const signals: AbortSignal[] = [];
  const live: boolean[] = [];
  const stop = listen({
    open: async (signal) => {
      signals.push(signal);
      if (signals.length === 1) return new Response('<html>', { headers: { 'Content-Type': 'text/html' } });
      const silent = new ReadableStream<Uint8Array<ArrayBuffer>>({ start: (controller) => { signal.addEventListener('abort', () => controller.error(new Error('aborted'))); } });
      return new Response(silent, { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } });
    },
    look: () => undefined,
    live: (stands) => { live.push(stands); },
  });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(live).toEqual([false, true]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(signals[1]!.aborted).toBe(true);
  expect(live.slice(0, 3)).toEqual([false, true, false]);
  stop();
  expect(signals.at(-1)!.aborted).toBe(true);
});
