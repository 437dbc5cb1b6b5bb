// Which screen is shown. The fragment says it, so that the phone's back button works and a reload stays where it was.

const SCREENS = ['codes', 'register', 'register/scan', 'register/type', 'phone', 'help'] as const;
export type Screen = (typeof SCREENS)[number];

function current(): Screen {
  const name = location.hash.slice(1);
  return SCREENS.find((screen) => screen === name) ?? 'codes';
}

export const route = $state({ screen: current() });

addEventListener('hashchange', () => {
  route.screen = current();
  scrollTo(0, 0);
});

export function go(screen: Screen): void {
  location.hash = screen;
}

/** Goes there without leaving a step for the back button. */
export function replace(screen: Screen): void {
  history.replaceState(null, '', '/#' + screen);
  route.screen = current();
  scrollTo(0, 0);
}
