// The page of an order goes on by itself: it asks the bank to be told when the order has moved, and counts the time down. Without this script it reloads every few seconds.
const followed = document.querySelector('[data-follow]');
const clock = document.querySelector('[data-seconds]');
const offline = document.getElementById('offline');
const began = performance.now();
let gone = false;
addEventListener('pagehide', () => { gone = true; });
addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });

async function follow() {
  for (let failures = 0; !gone;) {
    try {
      const answer = await fetch(`${followed.dataset.follow}?seen=${followed.dataset.version}`, { headers: { Accept: 'application/json' }, cache: 'no-store' });
      if (answer.status === 401) return location.replace('/');
      if (!answer.ok) throw new Error(String(answer.status));
      if (String((await answer.json()).version) !== followed.dataset.version) return location.replace(location.pathname);
      failures = 0;
    } catch {
      if (gone) return;
      failures++;
      await new Promise((later) => { setTimeout(later, Math.min(1000 * 2 ** failures, 15000)); });
    }
  }
}
if (followed) follow();

function count() {
  const passed = Math.floor((performance.now() - began) / 1000);
  if (clock) {
    const left = Math.max(0, Number(clock.dataset.seconds) - passed);
    clock.textContent = left > 0 ? clock.dataset.text.replace('{m}', Math.floor(left / 60)).replace('{s}', left % 60) : clock.dataset.over;
    clock.classList.toggle('short', left <= 60);
  }
  if (offline && passed === 20 && !offline.open) offline.open = true;
}
if (clock || offline) setInterval(count, 1000);
