// Installing the app and keeping it up to date.

import { installed } from './platform.ts';

type InstallPrompt = Event & { prompt(): Promise<void>; userChoice: Promise<{ outcome: string }> };

// Typed here because not every browser's type library knows Trusted Types.
type TrustedTypes = { createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): unknown } };

class Installation {
  /** Whether the browser offers to install right now. */
  offered = $state(false);
  installed = $state(installed());
  /** A new version has been fetched and waits. */
  waiting = $state(false);
  version = $state('');
  /** The browser has a service worker and refuses ours, as under a certificate it does not trust. */
  refused = $state(false);
  #prompt: InstallPrompt | undefined;
  #registration: ServiceWorkerRegistration | undefined;

  start(): void {
    addEventListener('beforeinstallprompt', (event) => {
      event.preventDefault();
      this.#prompt = event as InstallPrompt;
      this.offered = true;
    });
    addEventListener('appinstalled', () => {
      this.installed = true;
      this.offered = false;
    });
    if (import.meta.env.PROD && 'serviceWorker' in navigator) void this.#registerWorker().catch(() => { this.refused = true; });
  }

  async install(): Promise<void> {
    const prompt = this.#prompt;
    // A prompt can be used once; the browser offers a new one when it likes.
    this.#prompt = undefined;
    this.offered = false;
    await prompt?.prompt();
  }

  async #registerWorker(): Promise<void> {
    const factory = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
    const rules = {
      createScriptURL(url: string): string {
        if (url !== '/sw.js') throw new TypeError('only the service worker');
        return url;
      },
    };
    const url = (factory?.createPolicy('app', rules) ?? rules).createScriptURL('/sw.js') as string;
    const registration = await navigator.serviceWorker.register(url, { updateViaCache: 'none' });
    this.#registration = registration;
    const look = (): void => { this.waiting = registration.waiting !== null && navigator.serviceWorker.controller !== null; };
    look();
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look));
    navigator.serviceWorker.addEventListener('controllerchange', () => this.#askVersion());
    this.#askVersion();
  }

  #askVersion(): void {
    const channel = new MessageChannel();
    channel.port1.onmessage = (event: MessageEvent<string>) => { this.version = event.data; };
    navigator.serviceWorker.controller?.postMessage('version', [channel.port2]);
  }

  /** Lets the new version take over and starts with it. */
  update(): void {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    this.#registration?.waiting?.postMessage('activate');
  }
}

export const installation = new Installation();
