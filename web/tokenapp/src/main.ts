import '../../kit/tokens.css';
import './app.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { clock } from './clock.svelte.ts';
import { installation } from './install.svelte.ts';
import { fromFragment } from './protocol/key.ts';
import { registration } from './registration.svelte.ts';
import { renewal } from './renewal.svelte.ts';
import { replace, route } from './route.svelte.ts';
import { learnToSpeak } from './text.svelte.ts';
import { wallet } from './wallet.svelte.ts';

// A link from the bank's page carries the registration key behind the #. It leaves the address bar and the history at once.
if (location.pathname === '/r') {
  const key = fromFragment(location.hash);
  replace('register');
  if (key) registration.take(key);
  else registration.badLink = true;
}

// The server has nothing under this address and has sent the app instead, which says so.
const lost = location.pathname !== '/' && location.pathname !== '/r';

// Not awaited at the top of the file: the parts that are fetched later lean on this one, and could not run before it had ended.
async function start(): Promise<void> {
  // Until its language is there the app has nothing to say.
  await learnToSpeak();
  mount(App, { target: document.getElementById('app')!, props: { lost } });
  installation.start();
  await Promise.all([wallet.load(), clock.start()]);
  wallet.onrenewed = () => renewal.resume();
  clock.oncorrected = () => wallet.corrected();
  renewal.resume();
  if (lost) return;
  if (await registration.resume()) replace('register');
  else if (route.screen === 'codes') void wallet.refresh();
}

void start();
