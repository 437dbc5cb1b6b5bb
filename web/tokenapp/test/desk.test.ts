// What the phone does with transactions between the server and the screen: it shows only what it has checked, stores an answer before
// it sends it, and sends the same bytes until something was said to it.

import 'fake-indexeddb/auto';
import { IDBFactory } from 'fake-indexeddb';
import { beforeEach, expect, test, vi } from 'vitest';
import { offlineCode } from '../src/protocol/ocra.ts';
import { display, render } from '../src/protocol/render.ts';
import { hashOf } from '../src/protocol/templates.ts';
import type { Contract } from '../src/store.ts';
import { Bank, NOW, toQR } from './bank.ts';

type Desk = typeof import('../src/transactions.svelte.ts');
let bank: Bank;
let contract: Contract;
let transactions: Desk['transactions'];
let ledger: typeof import('../src/ledger.ts');
let clock: (typeof import('../src/clock.svelte.ts'))['clock'];

/** Opens the app: all modules anew, over the database as it is. */
async function open(): Promise<void> {
  vi.resetModules();
  const { wallet } = await import('../src/wallet.svelte.ts');
  ({ clock } = await import('../src/clock.svelte.ts'));
  ledger = await import('../src/ledger.ts');
  ({ transactions } = await import('../src/transactions.svelte.ts'));
  clock.now = NOW;
  await wallet.load();
  await transactions.load();
}

beforeEach(async () => {
  vi.stubGlobal('indexedDB', new IDBFactory());
  vi.stubGlobal('BroadcastChannel', undefined);
  vi.stubGlobal('navigator', { onLine: true, language: 'ja', userAgent: '' });
  vi.stubGlobal('document', { visibilityState: 'visible' });
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
  // Sending is tried again after a pause that no test waits for.
  vi.stubGlobal('setTimeout', ((work: () => void, pause = 0) => (pause > 500 ? 0 : (queueMicrotask(work), 0))) as unknown as typeof setTimeout);
  bank = await Bank.make();
  vi.stubGlobal('fetch', bank.fetch);
  vi.resetModules();
  contract = await bank.enrol(await import('../src/store.ts'));
  await open();
});

async function ask(): Promise<string> {
  const { id, offer } = await bank.offer();
  bank.pending = [offer];
  await transactions.refresh();
  expect(transactions.pending.map((asked) => asked.checked.document.id)).toEqual([id]);
  return id;
}

const states = (): string[] => transactions.entries.map((entry) => entry.state);

test('a pending transaction is checked and shown, and the templates are fetched once', async () => {
  await ask();
  const [asked] = transactions.pending;
  expect(render(asked!.checked, 'ja').lines.map((line) => line.value)).toEqual(['ヤマダ タロウ', '普通', '250,000円', expect.stringMatching(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/)]);
  await open();
  await transactions.refresh();
  expect(transactions.pending).toHaveLength(1);
  expect(bank.calls.map((call) => call.query)).toEqual(['', '?templates=' + bank.templatesHash]);
});

test.each([
  ['of another customer', { customer: 'cus_00000000000000000000000000' }],
  ['of another issuer', { issuer: 'https://token.other.example' }],
  ['under other templates', { templates: 'A'.repeat(43) }],
  ['with a field out of form', { fields: [{ id: 'payee', value: 'ﾔﾏﾀﾞ' }, { id: 'type', value: 'ordinary' }, { id: 'amount', value: '1' }] }],
])('an offer %s is not shown, and it is said that something came', async (_, lie) => {
  bank.pending = [(await bank.offer(lie)).offer];
  await transactions.refresh();
  expect(transactions.pending).toEqual([]);
  expect(transactions.doubtful).toEqual([contract.token]);
});

test('what another bank signs is not shown, even if it calls itself by the same name', async () => {
  const other = await Bank.make();
  bank.pending = [(await bank.offer({}, other.issuer.key.privateKey)).offer];
  await transactions.refresh();
  expect(transactions.pending).toEqual([]);
  expect(transactions.doubtful).toEqual([contract.token]);
  bank.pending = [(await other.offer()).offer];
  Object.assign(bank, { issuerKey: other.issuerKey, templates: other.templates });
  await transactions.refresh();
  expect(transactions.pending).toEqual([]);
});

test('an expired one is not shown', async () => {
  bank.pending = [(await bank.offer({ issued: '2026-11-22T00:50:00Z', expires: '2026-11-22T01:02:10Z' })).offer];
  await transactions.refresh();
  expect(transactions.pending).toEqual([]);
  expect(transactions.doubtful).toEqual([]);
});

test('an approval says what was on the screen, and is answered', async () => {
  const id = await ask();
  const { checked, offer } = transactions.pending[0]!;
  await transactions.decide(transactions.pending[0]!, 'en', 'approve', '');
  await transactions.flush();
  expect(states()).toEqual(['approved']);
  const said = bank.said(bank.decisions[0]!);
  expect(said).toMatchObject({
    transaction: id, document: checked.document.hash, offer: await hashOf(offer), templates: bank.templatesHash, display: await display(render(checked, 'en')),
    language: 'en', answer: 'approve', reason: '', time: '2026-11-22T01:02:10Z', counter: '1', previous: '', verification: 'none',
  });
});

test('an answer is stored before it is sent, and the same bytes go again after the app was killed', async () => {
  const id = await ask();
  bank.away = true;
  await transactions.decide(transactions.pending[0]!, 'ja', 'reject', 'wrong_payee');
  await transactions.flush();
  expect(states()).toEqual(['waiting']);
  expect(transactions.stuck).toBe(true);
  const [stored] = await ledger.unsent();

  await open();
  expect(transactions.entries.map((entry) => entry.id)).toEqual([id]);
  await transactions.flush();
  expect(states()).toEqual(['waiting']);
  bank.away = false;
  await transactions.flush();
  expect(states()).toEqual(['rejected']);
  expect(transactions.stuck).toBe(false);
  expect(bank.decisions).toEqual([stored!.decision]);
  await transactions.flush();
  expect(bank.decisions).toHaveLength(1);
});

test('decisions are counted and joined', async () => {
  for (const answer of ['approve', 'reject', 'report'] as const) {
    await ask();
    await transactions.decide(transactions.pending[0]!, 'ja', answer, '');
    await transactions.flush();
  }
  const said = bank.decisions.map((decision) => bank.said(decision));
  expect(said.map((one) => one['counter'])).toEqual(['1', '2', '3']);
  expect(said[0]!['previous']).toBe('');
  expect(said[1]!['previous']).toBe(await hashOf(bank.decisions[0]!));
  expect(said[2]!['previous']).toBe(await hashOf(bank.decisions[1]!));
});

test('a transaction is answered once, whatever a second window or a second press wants', async () => {
  await ask();
  const asked = transactions.pending[0]!;
  await Promise.all([transactions.decide(asked, 'ja', 'approve', ''), transactions.decide(asked, 'ja', 'reject', '')]);
  await transactions.flush();
  expect(bank.decisions.length).toBeGreaterThan(0);
  expect(new Set(bank.decisions).size).toBe(1);
  expect(transactions.entries).toHaveLength(1);
});

test('two windows that decide at once take different places in the chain', async () => {
  const draft = (id: string) => ({ token: contract.token, id, offer: '', at: 0, answer: 'approve' as const, language: 'ja' as const, offline: false });
  const sign = async (counter: number, previous: string) => ({ decision: `${counter} after ${previous}`, assertion: '' });
  const made = await Promise.all(['a', 'b', 'c'].map((id) => ledger.decide(draft(id), sign)));
  made.sort((a, b) => a.counter - b.counter);
  expect(made.map((entry) => entry.counter)).toEqual([1, 2, 3]);
  expect(made[2]!.decision).toBe('3 after ' + await hashOf(made[1]!.decision));
  await expect(ledger.decide(draft('a'), sign)).rejects.toThrow();
});

test.each([
  ['transaction-expired', undefined, 'expired'], ['transaction-cancelled', undefined, 'cancelled'], ['transaction-none', undefined, 'none'],
  ['transaction-decided', 'approved', 'approved'], ['transaction-decided', 'something new', 'decided'], ['decision-refused', undefined, 'refused'],
  ['token-none', undefined, 'token'], ['otp-locked', undefined, 'token'],
])('the refusal %s (%s) is an answer: %s', async (kind, state, wanted) => {
  await ask();
  bank.refuse = { kind, ...(state ? { state } : {}) };
  await transactions.decide(transactions.pending[0]!, 'ja', 'reject', '');
  await transactions.flush();
  expect(states()).toEqual([wanted]);
  expect(await ledger.unsent()).toEqual([]);
});

test('an answer that was signed before a renewal is taken back, and the customer is asked again', async () => {
  const id = await ask();
  bank.refuse = { kind: 'key-renewed' };
  await transactions.decide(transactions.pending[0]!, 'ja', 'approve', '');
  await transactions.flush();
  expect(states()).toEqual([]);
  bank.refuse = undefined;
  await transactions.refresh();
  expect(transactions.pending.map((asked) => asked.checked.document.id)).toEqual([id]);
  await transactions.decide(transactions.pending[0]!, 'ja', 'approve', '');
  await transactions.flush();
  expect(states()).toEqual(['approved']);
  expect(new Set(bank.decisions).size).toBe(2);
});

test('while the bank has stopped transfers, an approval is taken back, and the transaction can still be answered', async () => {
  const id = await ask();
  bank.refuse = { kind: 'transfers-frozen' };
  await transactions.decide(transactions.pending[0]!, 'ja', 'approve', '');
  await transactions.flush();
  expect(states()).toEqual([]);
  expect(await ledger.unsent()).toEqual([]);
  expect(transactions.frozen).toBe(id);
  bank.refuse = undefined;
  await transactions.refresh();
  expect(transactions.pending.map((asked) => asked.checked.document.id)).toEqual([id]);
  await transactions.decide(transactions.pending[0]!, 'ja', 'reject', '');
  expect(transactions.frozen).toBe('');
  await transactions.flush();
  expect(states()).toEqual(['rejected']);
  expect(new Set(bank.decisions).size).toBe(2);
});

test('while the receipt of a renewal is missing, an answer waits for it', async () => {
  const store = await import('../src/store.ts');
  await ask();
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  await store.beginRenewal(contract.token, { renewal: 'x', generation: '2', envelope: 'x', device: 'x', signing: pair });
  bank.refuse = { kind: 'key-renewed' };
  await transactions.decide(transactions.pending[0]!, 'ja', 'approve', '');
  await transactions.flush();
  expect(states()).toEqual(['waiting']);
});

test('a server that is busy has not answered', async () => {
  await ask();
  bank.refuse = { kind: 'unavailable' };
  await transactions.decide(transactions.pending[0]!, 'ja', 'approve', '');
  await transactions.flush();
  expect(states()).toEqual(['waiting']);
  bank.refuse = undefined;
  await transactions.flush();
  expect(states()).toEqual(['approved']);
  expect(new Set(bank.decisions).size).toBe(1);
});

test('without a network: the code is scanned, shown, answered with digits, and the answer is sent later', async () => {
  // The app was opened once where there was a network.
  await transactions.refresh();
  bank.away = true;
  await open();
  const { id, offer } = await bank.offer();
  expect(await transactions.scan(await toQR(offer))).toEqual({ id });
  const asked = transactions.pending[0]!;
  expect(asked.offline).toBe(true);
  expect(await offlineCode(asked.contract.ocraKey, asked.checked.document)).toMatch(/^\d{8}$/);
  await transactions.refresh();
  expect(transactions.pending).toHaveLength(1);
  await transactions.decide(asked, 'ja', 'approve', '');
  await transactions.flush();
  expect(states()).toEqual(['waiting']);
  expect(await transactions.scan(await toQR(offer))).toEqual({ id });

  // Days later, and the token happens to be locked: it is kept for when it no longer is.
  await open();
  expect(await transactions.read(transactions.entries[0]!)).toBeDefined();
  bank.away = false;
  bank.refuse = { kind: 'otp-locked' };
  await transactions.flush();
  expect(states()).toEqual(['waiting']);
  bank.refuse = undefined;
  await transactions.flush();
  expect(states()).toEqual(['approved']);
  expect(new Set(bank.decisions).size).toBe(1);
});

test('a scanned code that is not to be shown', async () => {
  const { offer } = await bank.offer();
  expect(await transactions.scan(await toQR(offer))).toEqual({ fault: 'templates' });
  await transactions.refresh();
  expect(await transactions.scan('INKAN1:xyz')).toEqual({ fault: 'not-an-offer' });
  expect(await transactions.scan(await toQR((await bank.offer({ customer: 'cus_00000000000000000000000000' })).offer))).toEqual({ fault: 'unverified' });
  expect(await transactions.scan(await toQR((await bank.offer({ templates: 'A'.repeat(43) })).offer))).toEqual({ fault: 'templates' });
  expect(await transactions.scan(await toQR((await bank.offer({ expires: '2026-11-22T01:02:09Z' })).offer))).toEqual({ fault: 'expired' });
  expect(transactions.pending).toEqual([]);
});

test('the history keeps what the server lists, and forgets with the contract', async () => {
  const { id, offer } = await bank.offer();
  const forged = await bank.offer({}, (await Bank.make()).issuer.key.privateKey);
  bank.recent = [
    { offer, state: 'consumed', decided: '2026-11-22T01:02:05Z', language: 'en' },
    { offer: forged.offer, state: 'approved', decided: '2026-11-22T01:02:05Z', language: 'ja' },
  ];
  await transactions.refresh();
  expect(transactions.entries).toMatchObject([{ id, state: 'consumed', answer: '', language: 'en' }]);
  const checked = await transactions.read(transactions.entries[0]!);
  expect(render(checked!, 'ja').title).toBe('お振込');
  await transactions.forget(contract);
  expect(await ledger.entries()).toEqual([]);
});

test('more than twenty ended transactions are kept, and an unsent answer is never dropped', async () => {
  await ledger.decide({ token: contract.token, id: 'mine', offer: '', at: 0, answer: 'approve', language: 'ja', offline: true }, async () => ({ decision: 'decision', assertion: '' }));
  await ledger.learn(contract.token, Array.from({ length: 60 }, (_, at) => ({ id: 'txn_' + at, offer: '', state: 'approved' as const, at: at + 1, language: 'ja' as const })));
  const kept = await ledger.entries();
  expect(kept.length).toBeGreaterThan(20);
  expect(kept[0]!.id).toBe('txn_59');
  expect(kept.some((entry) => entry.id === 'mine')).toBe(true);
});

test('a move stands where it was after a reload, and goes on by itself', async () => {
  const { follow, open: waiting } = await import('../src/moving.ts');
  const token = 'tok_01jd5q2k3m4n5p6q7r8s9t0v2x';
  await bank.enrol(await import('../src/store.ts'), token, true);
  const look = async () => (await import('../src/wallet.svelte.ts')).wallet;
  const now = async () => (await look()).contracts.find((one) => one.token === token)!;
  await open();
  expect((await now()).waits).toEqual({ check: '', asked: '' }); // no password is shown from the first moment on
  bank.away = true;
  await (await look()).refresh(token);
  expect(await now()).toMatchObject({ state: 'keyed', waits: { check: '', asked: '' } });
  bank.away = false;
  bank.standing = { state: 'keyed', expires: '2036-11-22T00:00:00Z', move: { check: '548544', asked: 'pending' } };
  await (await look()).refresh(token);
  await open();
  expect((await now()).waits).toEqual({ check: '548544', asked: 'pending' });

  // It asks again and again, whatever screen is open, but not while the app is out of sight.
  const sight = { visibilityState: 'hidden', addEventListener: vi.fn(), removeEventListener: vi.fn() };
  const again: (() => void)[] = [];
  vi.stubGlobal('document', sight);
  vi.stubGlobal('setInterval', (work: () => void) => again.push(work));
  vi.stubGlobal('clearInterval', vi.fn());
  const wallet = await look();
  const asked = vi.fn(() => wallet.refresh(token));
  const end = follow([token], asked);
  again[0]!();
  expect(asked).not.toHaveBeenCalled();
  sight.visibilityState = 'visible';
  bank.standing.move!.asked = 'approved';
  again[0]!();
  again[0]!(); // the one before has no answer yet
  expect(asked).toHaveBeenCalledTimes(1);
  await asked.mock.results[0]!.value;
  expect(await now()).toMatchObject({ state: 'active' });
  expect((await now()).waits).toBeUndefined();
  end();
  expect(sight.removeEventListener).toHaveBeenCalled();

  bank.standing = { state: 'keyed', expires: '2036-11-22T00:00:00Z', move: { check: '548544', asked: 'rejected' } };
  await wallet.refresh(token);
  expect(waiting((await now()).waits!)).toBe(false);
  expect(bank.calls.filter((call) => call.path === '/v1/moves/finish')).toHaveLength(1);
});
