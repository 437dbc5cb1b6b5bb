// Which screen is shown. The fragment says it, so that the phone's back button works and a reload stays where it was.

const SCREENS = ['codes', 'register', 'register/scan', 'register/type', 'phone', 'help', 'transactions', 'transactions/scan', 'transactions/next'] as const;
export type Screen = (typeof SCREENS)[number] | `transaction/txn_${string}` | `move/tok_${string}` | `notices/tok_${string}`;

function current(): Screen {
  const name = location.hash.slice(1);
  if (/^(move|notices)\/tok_[0-9a-hjkmnp-tv-z]{26}$/.test(name)) return name as Screen;
  if (/^transaction\/txn_[0-9a-hjkmnp-tv-z]{26}$/.test(name)) return name as Screen;
  return SCREENS.find((screen) => screen === name) ?? 'codes';
}

export const route = $state({ screen: current() });

addEventListener('hashchange', () => {
  route.screen = current();
  scrollTo(0, 0);
});

/** The transaction that a screen is about, or empty. */
export function transactionOf(screen: Screen): string {
  return screen.startsWith('transaction/') ? screen.slice('transaction/'.length) : '';
}

export function go(screen: Screen): void {
  location.hash = screen;
}

/** Goes there without leaving a step for the back button. */
export function replace(screen: Screen): void {
  history.replaceState(null, '', '/#' + screen);
  route.screen = current();
  scrollTo(0, 0);
}
