// What this phone keeps: contracts with their keys, the registration under way, the clock's offset, the known roots.
// Keys lie here as CryptoKey objects that cannot be exported; there is nothing secret in this database to read out.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { WrongRoot, type Registered } from './protocol/registration.ts';
import type { TokenKeys } from './protocol/keys.ts';

/** What became of a token, in the server's words; `unknown` before it was first asked. */
export type TokenState = 'keyed' | 'active' | 'suspended' | 'locked' | 'replaced' | 'revoked' | 'expired' | 'unknown';

export type Contract = {
  token: string;
  issuer: string;
  bankJa: string;
  bankEn: string;
  account: string;
  /** The customer's own name for it, or empty. */
  name: string;
  position: number;
  signingKey: CryptoKey;
  otpKey: CryptoKey;
  ocraKey: CryptoKey;
  certificate: string;
  notBefore: number;
  expires: number;
  generation: string;
  registered: number;
  state: TokenState;
  /** The old phone that this one waits for, from the registration until that has answered: until then its passwords open nothing. */
  waits?: Waits;
  /** The keys that are to take the place of these, from before they are asked for until the server's receipt. */
  next?: Next;
};

/** A move that a registered phone waits for: the digits that both phones show, and what the old one has answered so far. Both are empty before the server was first asked. */
export type Waits = { check: string; asked: string };

/** A renewal under way. It is stored before the first byte leaves. */
export type Next = {
  renewal: string;
  generation: string;
  /** R1: the bytes that are sent until they are answered. */
  envelope: string;
  /** Thumbprint of the next signing key. */
  device: string;
  signing: CryptoKeyPair;
  /** Until the answer is there. */
  agreement?: CryptoKeyPair;
  /** What the answer gave, checked. */
  answered?: { answer: string; otpKey: CryptoKey; ocraKey: CryptoKey; certificate: string; notBefore: number; expires: number };
};

/** A registration that was sent, or is about to be. It is stored before the first byte leaves. */
export type Pending = {
  id: 'registration';
  issuer: string;
  envelope: string;
  /** Thumbprint of the signing key. */
  device: string;
  signing: CryptoKeyPair;
  agreement: CryptoKeyPair;
  /** The registration key it was made with. */
  key: string;
  /** The root that the QR code carried, or empty after typing. */
  root: string;
  /** By the link of another phone, which has to approve. */
  moves?: boolean;
  started: number;
};

export type Clock = { offset: number; measured: number };

interface Schema extends DBSchema {
  contracts: { key: string; value: Contract };
  pending: { key: string; value: Pending };
  settings: { key: string; value: unknown };
}

const HAD_CONTRACTS = 'had-contracts';

let opened: Promise<IDBPDatabase<Schema>> | undefined;

function database(): Promise<IDBPDatabase<Schema>> {
  opened ??= openDB<Schema>('inkan-token', 1, {
    upgrade(db) {
      db.createObjectStore('contracts', { keyPath: 'token' });
      db.createObjectStore('pending', { keyPath: 'id' });
      db.createObjectStore('settings');
    },
    terminated() {
      // The browser closed the database under us (storage pressure, cleared data): the next call opens it anew.
      opened = undefined;
    },
  }).catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

/** The contracts in the customer's order. */
export async function contracts(): Promise<Contract[]> {
  const all = await (await database()).getAll('contracts');
  return all.sort((a, b) => a.position - b.position || a.registered - b.registered);
}

export async function pending(): Promise<Pending | undefined> {
  return (await database()).get('pending', 'registration');
}

/** Stores a registration before it is sent. If another window was faster, this one fails instead of replacing its keys. */
export async function begin(registration: Pending): Promise<void> {
  await (await database()).add('pending', registration);
}

/** Drops a registration after a definite refusal, but only this very one. */
export async function drop(registration: Pending): Promise<void> {
  const tx = (await database()).transaction('pending', 'readwrite');
  const current = await tx.store.get('registration');
  if (current?.envelope === registration.envelope) await tx.store.delete('registration');
  await tx.done;
}

/**
 * Turns a registration into a contract in one write: contract there, agreement key gone, root remembered.
 * Doing it twice changes nothing, since the token id is the key.
 */
export async function complete(registration: Pending, registered: Registered, keys: TokenKeys, now: number): Promise<Contract> {
  const tx = (await database()).transaction(['contracts', 'pending', 'settings'], 'readwrite');
  const rootKey = `root:${registration.issuer}`;
  const known = await tx.objectStore('settings').get(rootKey);
  if (known !== undefined && known !== registered.root) {
    tx.abort();
    await tx.done.catch(() => undefined);
    throw new WrongRoot('the issuer root is not the one first seen');
  }
  const store = tx.objectStore('contracts');
  const there = await store.get(registered.token);
  const contract: Contract = there ?? {
    token: registered.token,
    issuer: registration.issuer,
    bankJa: registered.bankJa,
    bankEn: registered.bankEn,
    account: registered.account,
    name: '',
    position: (await store.getAll()).reduce((last, other) => Math.max(last, other.position), -1) + 1,
    signingKey: registration.signing.privateKey,
    otpKey: keys.otp,
    ocraKey: keys.ocra,
    certificate: registered.certificate,
    notBefore: registered.notBefore,
    expires: registered.expires,
    generation: registered.generation,
    registered: now,
    state: 'keyed',
    ...(registration.moves ? { waits: { check: '', asked: '' } } : {}),
  };
  if (!there) await store.put(contract);
  await tx.objectStore('settings').put(registered.root, rootKey);
  const current = await tx.objectStore('pending').get('registration');
  if (current?.envelope === registration.envelope) await tx.objectStore('pending').delete('registration');
  await tx.done;
  remember(true);
  return contract;
}

async function change(token: string, edit: (contract: Contract) => void): Promise<void> {
  const tx = (await database()).transaction('contracts', 'readwrite');
  const contract = await tx.store.get(token);
  if (contract) {
    edit(contract);
    await tx.store.put(contract);
  }
  await tx.done;
}

export function rename(token: string, name: string): Promise<void> {
  return change(token, (contract) => { contract.name = name; });
}

/** Takes over what the server said of a token, unless its keys have been renewed since it was asked. */
export function setState(token: string, state: TokenState, expires: number, generation?: string, waits?: Waits): Promise<void> {
  return change(token, (contract) => {
    if (generation !== undefined && contract.generation !== generation) return;
    contract.state = state;
    contract.expires = expires;
    if (waits) contract.waits = waits;
    else delete contract.waits;
  });
}

/** Stores a renewal before it is sent. If another window was faster, its keys stay and this one has never been. It gives the one that counts. */
export async function beginRenewal(token: string, next: Next): Promise<Next | undefined> {
  let kept: Next | undefined;
  await change(token, (contract) => { kept = contract.next ??= next; });
  return kept;
}

/** Keeps the answer of a renewal with the keys derived from it; the agreement key goes. */
export function answerRenewal(token: string, renewal: string, answered: NonNullable<Next['answered']>): Promise<void> {
  return change(token, ({ next }) => {
    if (next?.renewal !== renewal || next.answered) return;
    next.answered = answered;
    delete next.agreement;
  });
}

/** Forgets a renewal that the server has definitely refused, but only this very one. The keys in use are not touched. */
export function dropRenewal(token: string, renewal: string): Promise<void> {
  return change(token, (contract) => { if (contract.next?.renewal === renewal) delete contract.next; });
}

/** Puts the next keys in the place of those before, in one write. Only the receipt allows that. */
export function finishRenewal(token: string, renewal: string): Promise<void> {
  return change(token, (contract) => {
    const { next } = contract;
    if (next?.renewal !== renewal || !next.answered) return;
    const { otpKey, ocraKey, certificate, notBefore, expires } = next.answered;
    Object.assign(contract, { signingKey: next.signing.privateKey, otpKey, ocraKey, certificate, notBefore, expires, generation: next.generation, state: 'active' } satisfies Partial<Contract>);
    delete contract.next;
  });
}

/** One contract as it is stored now. */
export async function contract(token: string): Promise<Contract | undefined> {
  return (await database()).get('contracts', token);
}

/** Writes the customer's order. A contract that another window added meanwhile keeps its place at the end. */
export async function reorder(tokens: string[]): Promise<void> {
  const tx = (await database()).transaction('contracts', 'readwrite');
  for (const contract of await tx.store.getAll()) {
    const position = tokens.indexOf(contract.token);
    contract.position = position === -1 ? tokens.length : position;
    await tx.store.put(contract);
  }
  await tx.done;
}

/** Deletes one contract with its keys. The others are not touched. */
export async function remove(token: string): Promise<void> {
  const db = await database();
  await db.delete('contracts', token);
  remember((await db.count('contracts')) > 0);
}

export async function clock(): Promise<Clock | undefined> {
  return (await (await database()).get('settings', 'clock')) as Clock | undefined;
}

export async function setClock(value: Clock): Promise<void> {
  await (await database()).put('settings', value, 'clock');
}

/** The root first seen for an issuer. */
export async function knownRoot(issuer: string): Promise<string | undefined> {
  return (await (await database()).get('settings', `root:${issuer}`)) as string | undefined;
}

/** Whether a key object survives the way into the database and back: some private windows cannot do that. */
export async function canKeep(key: CryptoKey): Promise<boolean> {
  const db = await database();
  await db.put('settings', key, 'probe');
  const back = (await db.get('settings', 'probe')) as CryptoKey | undefined;
  await db.delete('settings', 'probe');
  return back?.type === key.type;
}

/** Notes outside the database that there were contracts, so that the loss of the database can be told from a first start. */
function remember(any: boolean): void {
  try {
    if (any) localStorage.setItem(HAD_CONTRACTS, '1');
    else localStorage.removeItem(HAD_CONTRACTS);
  } catch {
    // Without local storage the app works all the same; it only cannot tell a loss from a first start.
  }
}

/** Whether there were contracts once. */
export function hadContracts(): boolean {
  try {
    return localStorage.getItem(HAD_CONTRACTS) !== null;
  } catch {
    return false;
  }
}

/** The customer has read that the contracts are gone. */
export function acceptLoss(): void {
  remember(false);
}
