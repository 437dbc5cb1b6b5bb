// How contracts and times are called on the screens about transactions.

import type { Contract } from './store.ts';
import { accountName, language, t } from './text.svelte.ts';

/** The customer's own name for a contract, or bank and account. */
export function contractName(contract: Contract): string {
  return contract.name || `${language.now === 'ja' ? contract.bankJa : contract.bankEn} ${accountName(contract.account)}`;
}

/** Where a question comes from, by the template it is shown by: the bank's page, the pages on which a customer looks after her login, or a new phone. */
export function origin(template: string | undefined): 'bank' | 'own' | 'move' {
  if (template === 'move') return 'move';
  return ['passkey', 'passkey_remove', 'stop', 'address'].includes(template ?? '') ? 'own' : 'bank';
}

/** Minutes and seconds that are left. */
export function timeLeft(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [m, s] = [Math.floor(seconds / 60), seconds % 60];
  const minutes = m ? t(m === 1 ? 'span.minute' : 'span.minutes', { n: m }) : '';
  return [minutes, s || !m ? t(s === 1 ? 'span.second' : 'span.seconds', { n: s }) : ''].filter(Boolean).join(t('span.joint'));
}
