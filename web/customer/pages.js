// What the customer's pages do beyond HTML. Every page works without this file.
'use strict';
(() => {
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  // The refusal is read first. Browsers that do not focus it by themselves are helped.
  const refusal = document.getElementById('refusal');
  if (refusal && document.activeElement !== refusal) refusal.focus();

  // Figures may be typed full-width, with spaces or hyphens; the server understands them too.
  const plain = (text) => text.normalize('NFKC').replace(/[\s\u2010-\u2015\u2212\u30fc-]/g, '');
  for (const input of all('input[data-digits]')) {
    const tidy = (event) => {
      if (event.isComposing) return;
      const tidied = plain(input.value);
      if (tidied !== input.value) input.value = tidied;
    };
    input.addEventListener('input', tidy);
    input.addEventListener('compositionend', () => tidy({ isComposing: false }));
  }

  for (const button of all('[data-reveal]')) {
    const input = document.getElementById(button.dataset.reveal);
    const show = button.textContent;
    const hide = button.dataset.hide;
    button.hidden = false;
    button.addEventListener('click', () => {
      const shown = input.type === 'text';
      input.type = shown ? 'password' : 'text';
      button.setAttribute('aria-pressed', String(!shown));
      button.textContent = shown ? show : hide;
    });
    // A browser must not keep a password as if it were a word.
    input.form.addEventListener('submit', () => { input.type = 'password'; });
  }

  for (const button of all('[data-copy]')) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(plain(document.getElementById(button.dataset.copy).textContent));
        button.textContent = button.dataset.done;
      } catch { button.hidden = true; }
    });
  }

  for (const button of all('[data-print]')) {
    button.hidden = false;
    button.addEventListener('click', () => print());
  }

  // A second click while the first is on its way does nothing.
  for (const form of all('form')) {
    form.addEventListener('submit', (event) => {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = 'yes';
      form.setAttribute('aria-busy', 'true');
    });
  }
  addEventListener('pageshow', () => {
    for (const form of all('form')) { delete form.dataset.sent; form.removeAttribute('aria-busy'); }
  });

  // The server says how many seconds are left, so a wrong clock on this device does no harm.
  const began = performance.now();
  let over = false;
  for (const clock of all('[data-left]')) {
    const total = Number(clock.dataset.left);
    const time = clock.querySelector('.time');
    const tick = () => {
      const left = Math.max(0, Math.ceil(total - (performance.now() - began) / 1000));
      time.textContent = Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0');
      if (left <= 60 && left > 0 && !clock.classList.contains('late')) {
        clock.classList.add('late');
        clock.querySelector('small').textContent = clock.dataset.late;
      }
      if (left > 0) { setTimeout(tick, 1000 - (performance.now() - began) % 1000); return; }
      over = true;
      clock.hidden = true;
      clock.parentElement.classList.add('over');
      document.getElementById(clock.dataset.over).hidden = false;
    };
    tick();
  }

  // While a phone is awaited the page asks how things stand. It stops when the key is over, so that a forgotten page does not keep a session alive.
  for (const live of all('[data-poll]')) {
    const ask = async () => {
      if (over) return;
      try {
        const answer = await fetch(live.dataset.poll, { cache: 'no-store', headers: { accept: 'application/json' } });
        if (answer.status === 401 || answer.status === 403) { location.reload(); return; }
        if (answer.ok) {
          const now = await answer.json();
          if (now.state !== live.dataset.state) { location.assign(live.dataset.go); return; }
          if (now.mail !== live.dataset.mail) { location.reload(); return; }
        }
      } catch { /* the network is away for a moment; the next question may be answered */ }
      setTimeout(ask, document.hidden ? 10000 : 3000);
    };
    setTimeout(ask, 2000);
  }
})();
