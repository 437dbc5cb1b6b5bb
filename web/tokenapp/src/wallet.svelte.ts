// The contracts on this phone, as the screens see them.

import { token as askToken, Problem } from './api.ts';
import { clock } from './clock.svelte.ts';
import { desk } from './desk.svelte.ts';
import * as moving from './moving.ts';
import { standings } from './standing.svelte.ts';
import * as store from './store.ts';
import type { Contract } from './store.ts';

class Wallet {
  contracts = $state.raw<Contract[]>([]);
  /** `broken`: the database cannot be opened. `lost`: there were contracts once and the database is empty. */
  state = $state<'loading' | 'ready' | 'lost' | 'broken'>('loading');
  /** Who carries on with renewals; it leans on this one. */
  onrenewed: (() => void) | undefined;
  #askAfter = 0;
  #channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('inkan-wallet') : undefined;

  constructor() {
    // Another window of the app changed something.
    this.#channel?.addEventListener('message', () => void this.load());
  }

  async load(): Promise<void> {
    try {
      this.contracts = await Promise.race([
        store.contracts(),
        // A database that never opens must not look like an empty one.
        new Promise<never>((_, reject) => setTimeout(() => reject(new Error('the database does not open')), 8000)),
      ]);
      this.state = this.contracts.length === 0 && store.hadContracts() ? 'lost' : 'ready';
    } catch {
      this.state = 'broken';
    }
  }

  async changed(): Promise<void> {
    await this.load();
    this.#channel?.postMessage('changed');
  }

  async rename(token: string, name: string): Promise<void> {
    await store.rename(token, name.normalize('NFC').trim().slice(0, 40));
    await this.changed();
  }

  /** Moves a contract one place up (-1) or down (1), and says which place it has now (from 1). */
  async move(token: string, by: -1 | 1): Promise<number> {
    const order = this.contracts.map((contract) => contract.token);
    const from = order.indexOf(token);
    const to = from + by;
    if (from < 0 || to < 0 || to >= order.length) return from + 1;
    order.splice(from, 1);
    order.splice(to, 0, token);
    await store.reorder(order);
    await this.changed();
    return to + 1;
  }

  async remove(token: string): Promise<void> {
    const contract = this.contracts.find((other) => other.token === token);
    await store.remove(token);
    await this.changed();
    // What it left in the history goes too; the key is gone already, and that is what counts.
    if (contract) void desk.fetch().then(({ transactions }) => transactions.forget(contract)).catch(() => undefined);
  }

  acceptLoss(): void {
    store.acceptLoss();
    this.state = 'ready';
  }

  /** Asks anew although it may just have asked: that was with the time of a wrong clock. */
  corrected(): void {
    this.#askAfter = 0;
    void this.refresh();
  }

  /**
   * Asks the server what became of the tokens. It is a courtesy: without an answer everything stays as it was,
   * and the passwords are shown all the same.
   */
  async refresh(only?: string): Promise<void> {
    if (only === undefined) {
      // Whoever goes back and forth between this app and the bank's page does not ask anew each time.
      if (this.contracts.length === 0 || performance.now() < this.#askAfter) return;
      this.#askAfter = performance.now() + 15_000;
    }
    for (const contract of this.contracts) {
      if (only !== undefined && contract.token !== only) continue;
      try {
        const answer = await askToken(contract, clock.now);
        const { expires, move } = answer;
        standings.take(contract.token, answer.standing);
        const moved = await moving.goOn(contract, move);
        const [state, waits] = moved ? (['active', undefined] as const) : [answer.state, move];
        if (state === 'unknown' || (state === contract.state && expires === contract.expires && waits?.check === contract.waits?.check && waits?.asked === contract.waits?.asked)) continue;
        await store.setState(contract.token, state, expires, contract.generation, waits);
        await this.changed();
      } catch (error) {
        // No network: the others would fail the same way, each after ten seconds.
        if (!(error instanceof Problem)) return;
        // The server has renewed the keys already, and its receipt was lost: it is asked for again.
        if (error.kind === 'key-renewed') this.onrenewed?.();
      }
    }
  }
}

export const wallet = new Wallet();
