// The bank learns where this phone can be woken: once for each contract, again when the address changes, and that it no longer wants to be.

import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, expect, test, vi } from 'vitest';
import { fromBase64url, type Bytes } from '../src/protocol/bytes.ts';
import type { Contract } from '../src/store.ts';
import { Bank, NOW } from './bank.ts';

const [KEY, OTHER_KEY] = ['BAAA', 'BBBB'];

/** A browser's push service in miniature. */
class Service {
  subscription: { endpoint: string; options: { applicationServerKey: ArrayBuffer }; toJSON(): unknown; unsubscribe(): Promise<boolean> } | null = null;
  made = 0;
  missing = false;
  pushManager = {
    getSubscription: async () => this.subscription,
    subscribe: async ({ applicationServerKey }: { applicationServerKey: Bytes }) => {
      if (this.missing) throw new DOMException('no push service', 'AbortError');
      this.subscription = {
        endpoint: `https://push.example/${++this.made}`,
        options: { applicationServerKey: applicationServerKey.slice().buffer },
        toJSON: () => ({ keys: { p256dh: 'p', auth: 'a' } }),
        unsubscribe: async () => {
          this.subscription = null;
          return true;
        },
      };
      return this.subscription;
    },
  };
}

let bank: Bank;
let service: Service;
let contract: Contract;
let pushing: (typeof import('../src/push.svelte.ts'))['pushing'];
let permission: string;

beforeEach(async () => {
  service = new Service();
  permission = 'granted';
  vi.stubGlobal('indexedDB', new IDBFactory());
  vi.stubGlobal('BroadcastChannel', undefined);
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
  vi.stubGlobal('navigator', { onLine: true, language: 'ja', userAgent: '', serviceWorker: { ready: Promise.resolve(service) } });
  vi.stubGlobal('matchMedia', () => ({ matches: false }));
  vi.stubGlobal('PushManager', class {});
  vi.stubGlobal('Notification', { get permission() { return permission; }, requestPermission: async () => permission });
  bank = await Bank.make();
  vi.stubGlobal('fetch', bank.fetch);
  vi.resetModules();
  contract = await bank.enrol(await import('../src/store.ts'));
  const { wallet } = await import('../src/wallet.svelte.ts');
  (await import('../src/clock.svelte.ts')).clock.now = NOW;
  ({ pushing } = await import('../src/push.svelte.ts'));
  await wallet.load();
});

const calls = (): string[] => bank.calls.map(({ method, body }) => method + ' ' + body);
const put = (n: number): string => `PUT {"endpoint":"https://push.example/${n}","p256dh":"p","auth":"a"}`;

test('switched on, the bank is told once, and told again when the address has changed', async () => {
  await pushing.look();
  expect(pushing.state).toBe('later');
  pushing.key = KEY;
  await pushing.look();
  expect(pushing.state).toBe('off');
  await pushing.on();
  expect(pushing.state).toBe('on');
  expect(new Uint8Array(service.subscription!.options.applicationServerKey)).toEqual(fromBase64url(KEY));
  await pushing.follow([contract]);
  expect(calls()).toEqual([put(1)]);
  pushing.key = OTHER_KEY;
  await pushing.follow([contract]);
  expect(calls()).toEqual([put(1), put(2)]);
});

test('switched off, the bank forgets the address', async () => {
  pushing.key = KEY;
  await pushing.on();
  await pushing.off();
  expect(pushing.state).toBe('off');
  expect(calls()).toEqual([put(1), 'DELETE ']);
  await pushing.follow([contract]);
  expect(calls()).toHaveLength(2);
});

test('a bank that could not be told is told the next time', async () => {
  pushing.key = KEY;
  bank.away = true;
  await pushing.on();
  expect(calls()).toEqual([]);
  bank.away = false;
  await pushing.follow([contract]);
  expect(calls()).toEqual([put(1)]);
});

test('what is in the way is told apart, and nothing is sent', async () => {
  pushing.key = KEY;
  service.missing = true;
  await pushing.on();
  expect(pushing.state).toBe('none');
  permission = 'denied';
  await pushing.on();
  expect(pushing.state).toBe('refused');
  vi.stubGlobal('PushManager', undefined);
  await pushing.look();
  expect(pushing.state).toBe('none');
  vi.stubGlobal('navigator', { userAgent: 'iPhone', language: 'ja', maxTouchPoints: 5 });
  await pushing.look();
  expect(pushing.state).toBe('install');
  expect(calls()).toEqual([]);
});
