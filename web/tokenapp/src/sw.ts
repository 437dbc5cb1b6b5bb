// The service worker: keeps the app itself, so that it opens in flight mode after a cold start, and says that something waits when
// the bank wakes this phone. It knows nothing else: no keys, no passwords (its clock cannot be corrected), and it never touches /v1.

/// <reference lib="webworker" />
declare const self: ServiceWorkerGlobalScope;

// Both are filled in by the build.
const VERSION = '__VERSION__';
// The reader of QR codes is among them: a transaction can be checked by its code where there is no network.
const KEPT = '__KEPT__' as unknown as string[];
const CACHE = `inkan-app-${VERSION}`;

async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all(KEPT.map(async (path) => {
    // An answer that came by a redirect cannot be given to a navigation later; then rather no new version at all.
    const answer = await fetch(new Request(path, { cache: 'reload', redirect: 'error', credentials: 'omit' }));
    if (!answer.ok || answer.redirected) throw new Error(`${path} cannot be kept`);
    await cache.put(path, answer);
  }));
}

async function forget(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith('inkan-app-') && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

async function answer(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}

self.addEventListener('install', (event) => event.waitUntil(keep()));
self.addEventListener('activate', (event) => event.waitUntil(forget()));

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin || url.pathname.startsWith('/v1/')) return;
  if (request.mode === 'navigate') {
    if (url.pathname === '/' || url.pathname === '/r') event.respondWith(answer(request, '/'));
  } else if (KEPT.includes(url.pathname)) {
    event.respondWith(answer(request, url.pathname));
  }
});

self.addEventListener('message', (event) => {
  // A new version waits until the customer asks for it: a code being typed must not vanish under a reload.
  if (event.data === 'activate') event.waitUntil(self.skipWaiting());
  if (event.data === 'version') event.ports[0]?.postMessage(VERSION);
});

/** The words that the app left in its language; without them both languages say it. */
async function words(): Promise<string> {
  try {
    const left = await (await caches.open('inkan-words')).match('/words');
    const { title } = (await left?.json()) as { title?: unknown };
    if (typeof title === 'string' && title !== '') return title;
  } catch {
    // As if nothing had been left.
  }
  return 'ご確認いただくお取引があります / A transaction is waiting for you';
}

const windows = (): Promise<readonly WindowClient[]> => self.clients.matchAll({ type: 'window', includeUncontrolled: true });

self.addEventListener('push', (event) => {
  // Whatever the message holds is not looked at. The lock screen is read by others: no amount, no name, no bank stands on it.
  event.waitUntil((async () => {
    for (const client of await windows()) client.postMessage('look');
    await self.registration.showNotification(await words(), { tag: 'transaction', icon: '/icons/icon-192.png', badge: '/icons/icon-192.png' });
  })());
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil((async () => {
    const [open] = await windows();
    if (!open) {
      await self.clients.openWindow('/#transactions/next');
      return;
    }
    open.postMessage('pending');
    await open.focus();
  })());
});
