// Notifications: the bank wakes this phone, and the notification says no more than that something waits.

import { clock } from './clock.svelte.ts';
import { push } from './desk-api.ts';
import * as ledger from './ledger.ts';
import { installed, family } from './platform.ts';
import { fromBase64url, toBase64url } from './protocol/bytes.ts';
import type { Contract } from './store.ts';
import { t } from './text.svelte.ts';
import { wallet } from './wallet.svelte.ts';

/** Where the worker finds the words of the notification, since it cannot see which language was chosen. */
export const WORDS = { cache: 'inkan-words', path: '/words' };

/**
 * `none`: this browser has no push service. `install`: it has one once the app is on the home screen. `later`: the bank does not offer
 * it, or has not been asked yet. `refused`: the customer or the browser forbids notifications.
 */
export type PushState = 'looking' | 'none' | 'install' | 'later' | 'refused' | 'off' | 'on';

async function registration(): Promise<ServiceWorkerRegistration | undefined> {
  if (!('serviceWorker' in navigator) || typeof PushManager === 'undefined' || typeof Notification === 'undefined') return undefined;
  return Promise.race([navigator.serviceWorker.ready, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 3000))]);
}

class Pushing {
  /** The bank's key for this purpose, from its list of transactions. */
  key = $state('');
  state = $state<PushState>('looking');
  #following = false;

  async look(): Promise<void> {
    const worker = await registration();
    if (!worker) this.state = family() === 'ios' && !installed() ? 'install' : 'none';
    else if (Notification.permission === 'denied') this.state = 'refused';
    else if (await worker.pushManager.getSubscription()) this.state = 'on';
    else this.state = this.key === '' ? 'later' : 'off';
  }

  /** Asks the browser for permission and an address, and tells the bank, once for each contract. */
  async on(): Promise<void> {
    const worker = await registration();
    if (!worker || this.key === '') return this.look();
    if ((await Notification.requestPermission()) !== 'granted') return this.look();
    try {
      await this.#subscribe(worker);
    } catch {
      // Some browsers have the function and no service behind it.
      this.state = 'none';
      return;
    }
    await this.words();
    await this.follow(wallet.contracts.filter((contract) => contract.state === 'active' || contract.state === 'unknown'));
    await this.look();
  }

  async off(): Promise<void> {
    const worker = await registration();
    await (await worker?.pushManager.getSubscription())?.unsubscribe();
    for (const contract of wallet.contracts) await this.leave(contract);
    await this.look();
  }

  async #subscribe(worker: ServiceWorkerRegistration): Promise<PushSubscription> {
    const options = { userVisibleOnly: true, applicationServerKey: fromBase64url(this.key) };
    const there = await worker.pushManager.getSubscription();
    if (there) {
      const key = there.options.applicationServerKey;
      if (key && toBase64url(new Uint8Array(key)) === this.key) return there;
      // The bank has a new key: an address that was made for the old one cannot be reached any more.
      await there.unsubscribe();
    }
    return worker.pushManager.subscribe(options);
  }

  /** Tells the bank about the address where it does not know it yet: a new contract, or an address that the browser has changed. */
  async follow(contracts: Contract[]): Promise<void> {
    if (this.#following || this.key === '') return;
    this.#following = true;
    try {
      const worker = await registration();
      if (!(await worker?.pushManager.getSubscription())) return;
      const subscription = await this.#subscribe(worker!);
      const { p256dh, auth } = subscription.toJSON().keys ?? {};
      if (!p256dh || !auth) return;
      for (const contract of contracts) {
        if ((await ledger.pushedTo(contract.token)) === subscription.endpoint) continue;
        await push(contract, clock.now, { endpoint: subscription.endpoint, p256dh, auth });
        await ledger.keepPushedTo(contract.token, subscription.endpoint);
      }
    } catch {
      // It is a courtesy: the next contact tries again, and the app works without.
    } finally {
      this.#following = false;
    }
  }

  async leave(contract: Contract): Promise<void> {
    try {
      if ((await ledger.pushedTo(contract.token)) === '') return;
      await push(contract, clock.now, undefined);
      await ledger.keepPushedTo(contract.token, '');
    } catch {
      // The address is dead already; the bank finds out when it next uses it.
    }
  }

  /** Leaves the words of the notification, in the language of the app, where the worker can read them. */
  async words(): Promise<void> {
    try {
      await (await caches.open(WORDS.cache)).put(WORDS.path, new Response(JSON.stringify({ title: t('push.title') })));
    } catch {
      // Then the worker has words of its own.
    }
  }
}

export const pushing = new Pushing();
