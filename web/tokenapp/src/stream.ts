// The stream by which the server says "look". It says nothing else, so that nothing in it needs to be believed.

/** The server sends a comment every 25 seconds; a line that is quiet for longer than this is dead, whatever the phone thinks. */
const QUIET = 60_000;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;
/** A stream that stood this long was a good one: the next pause is short again. */
const GOOD = 30_000;

/** Growing pauses, spread so that a server that comes back is not met by everybody at once. */
export function pauseAfter(failures: number, chance = Math.random()): number {
  return Math.round(Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures) * (0.5 + chance / 2));
}

/** Reads events until the stream ends. Only their names matter. */
export async function readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>, event: (name: string) => void, alive: () => void): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let name = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    // A line that never ends is no event, and must not fill the memory.
    if (rest.length > 4096) throw new Error('a line that does not end');
    for (const line of lines) {
      if (line === '') {
        if (name !== '') event(name);
        name = '';
      } else if (line.startsWith('event:')) {
        name = line.slice(6).trim();
      }
    }
  }
}

export type Listener = {
  open(signal: AbortSignal): Promise<Response>;
  /** Something may have happened: after an event, and after each new connection, since what came before it was not heard. */
  look(): void;
  /** Whether the stream stands. */
  live(stands: boolean): void;
};

/** Keeps a stream open until the way to stop it, which is given back, is used. */
export function listen({ open, look, live }: Listener): () => void {
  let stopped = false;
  let controller: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  async function run(): Promise<void> {
    const own = new AbortController();
    controller = own;
    const start = performance.now();
    let quiet: ReturnType<typeof setTimeout> | undefined;
    const alive = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => own.abort(), QUIET);
    };
    try {
      alive();
      const response = await open(own.signal);
      if (!response.body || !(response.headers.get('Content-Type') ?? '').startsWith('text/event-stream')) throw new Error('not a stream');
      if (stopped) return;
      live(true);
      look();
      await readEvents(response.body, (name) => { if (name === 'transaction') look(); }, alive);
    } catch {
      // However it ended, it is opened anew.
    } finally {
      clearTimeout(quiet);
      own.abort();
    }
    if (stopped) return;
    live(false);
    if (performance.now() - start > GOOD) failures = 0;
    timer = setTimeout(() => void run(), pauseAfter(failures++));
  }

  void run();
  return () => {
    stopped = true;
    clearTimeout(timer);
    controller?.abort();
  };
}
