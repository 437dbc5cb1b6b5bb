import { learnDesk } from './text.svelte.ts';

// The way to the part of the app that deals with transactions. The passwords must not wait for it, so it is fetched on its own.

type Part = typeof import('./transaction.ts');

class Desk {
  part = $state.raw<Part>();
  /** It could not be fetched: the app was opened for the first time with a broken connection, or is older than the server. */
  failed = $state(false);
  #fetching: Promise<Part> | undefined;

  /** Fetches it once; after a failure the next call tries again. */
  fetch(): Promise<Part> {
    this.#fetching ??= Promise.all([import('./transaction.ts'), learnDesk()]).then(([part]) => {
      this.failed = false;
      this.part = part;
      part.transactions.start();
      return part;
    }).catch((error: unknown) => {
      this.#fetching = undefined;
      this.failed = true;
      throw error;
    });
    return this.#fetching;
  }

  /** The same for those who can do without it. */
  async open(): Promise<void> {
    await this.fetch().catch(() => undefined);
  }
}

export const desk = new Desk();
