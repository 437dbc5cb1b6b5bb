// Which of the app's needs this phone meets (M-09). Each need is tried out, not guessed from the model's name.

import { password } from './protocol/otp.ts';
import { derive, makeAgreementPair, makeSigningPair } from './protocol/keys.ts';
import { exportPublic, sign } from './protocol/jws.ts';
import { utf8 } from './protocol/bytes.ts';
import { installation } from './install.svelte.ts';
import { installed } from './platform.ts';
import * as store from './store.ts';

export type NeedId = 'secure' | 'keys' | 'storage' | 'persist' | 'offline' | 'camera' | 'installed';

/** `ok` works, `limited` works with something to know, `missing` does not work and registration cannot go on. */
export type Need = { id: NeedId; state: 'ok' | 'limited' | 'missing' };

/** Some calls wait for an answer that never comes; nothing here may hold the page up. */
function within<T>(milliseconds: number, work: Promise<T>, otherwise: T): Promise<T> {
  return Promise.race([
    work.catch(() => otherwise),
    new Promise<T>((resolve) => setTimeout(() => resolve(otherwise), milliseconds)),
  ]);
}

/** Makes keys, derives a password and signs, exactly as a registration does, and sees that the key cannot be taken out. */
async function keysWork(): Promise<boolean> {
  const [own, other, signing] = await Promise.all([makeAgreementPair(), makeAgreementPair(), makeSigningPair()]);
  const { otp } = await derive(own.privateKey, await exportPublic(other.publicKey), utf8('probe'), 'probe', 'probe');
  await password(otp, 0);
  await sign({ alg: 'ES256', typ: 'probe' }, utf8('{}'), signing.privateKey);
  try {
    await crypto.subtle.exportKey('raw', otp);
    return false;
  } catch {
    return true;
  }
}

async function storageWorks(): Promise<boolean> {
  return store.canKeep((await makeSigningPair()).privateKey);
}

/** Asks the browser not to throw the keys away when space is short. It decides by itself, often without asking. */
export function persist(): Promise<boolean> {
  const storage = navigator.storage as StorageManager | undefined;
  return storage?.persist ? within(3000, storage.persist(), false) : Promise.resolve(false);
}

export function persisted(): Promise<boolean> {
  const storage = navigator.storage as StorageManager | undefined;
  return storage?.persisted ? within(2000, storage.persisted(), false) : Promise.resolve(false);
}

/** Tries everything out. */
export async function check(): Promise<Need[]> {
  const secure = globalThis.isSecureContext && crypto.subtle !== undefined;
  const keys = secure && await within(5000, keysWork(), false);
  const storage = secure && await within(5000, storageWorks(), false);
  const kept = await persisted();
  const offline = 'serviceWorker' in navigator && !installation.refused
    && await within(3000, navigator.serviceWorker.ready.then(() => true), false);
  const camera = typeof navigator.mediaDevices?.getUserMedia === 'function';
  return [
    { id: 'secure', state: secure ? 'ok' : 'missing' },
    { id: 'keys', state: keys ? 'ok' : 'missing' },
    { id: 'storage', state: storage ? 'ok' : 'missing' },
    { id: 'persist', state: kept ? 'ok' : 'limited' },
    { id: 'offline', state: offline ? 'ok' : 'limited' },
    { id: 'camera', state: camera ? 'ok' : 'limited' },
    { id: 'installed', state: installed() ? 'ok' : 'limited' },
  ];
}
