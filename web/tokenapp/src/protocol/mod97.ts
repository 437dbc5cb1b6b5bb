// ISO 7064 MOD 97-10: two check digits that catch every single wrong digit and every swap of neighbours.

function remainder(digits: string): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
  return rest;
}

/** Whether the whole number, check digits included, leaves 1 when divided by 97. */
export function checked(digits: string): boolean {
  return /^[0-9]+$/.test(digits) && remainder(digits) === 1;
}

/** The two check digits that belong behind these digits. */
export function checkDigits(digits: string): string {
  return String(98 - remainder(digits + '00')).padStart(2, '0');
}
