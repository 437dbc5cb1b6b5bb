// Passkeys on the staff's pages (WebAuthn Level 3, section 5.1). The server's words are shown as they come; what fails in the browser is said in words that stand in the page already.
'use strict';
(() => {
  for (const button of document.querySelectorAll('[data-print]')) {
    button.hidden = false;
    button.addEventListener('click', () => print());
  }
  const form = document.querySelector('form[data-passkey]');
  const language = document.querySelector('form.language');
  // The code of an invitation is in the fragment, which no server sees. A redirect keeps it, so it survives a change of language.
  if (location.hash.length > 1) language.action = '/language' + location.hash;
  if (!form) return;
  addEventListener('hashchange', () => location.reload()); // another link was opened in this tab
  const act = form.dataset.passkey;
  const button = form.querySelector('button');
  const refusal = document.getElementById('refusal');

  const show = (words) => {
    for (const part of ['what', 'kept', 'do']) refusal.querySelector('.' + part).textContent = words[part];
    refusal.className = 'note ' + (words.tone ?? 'bad');
    refusal.hidden = false;
    document.querySelector('[role="status"]')?.remove(); // what was done before is told already
    refusal.focus();
  };
  const nothing = () => { // there is nothing to press for whoever has no invitation
    document.getElementById('ask').hidden = true;
    document.getElementById('signin').hidden = false;
  };
  const browser = (kind) => {
    const said = document.querySelector(`[data-refusal="${kind}"]`);
    show(Object.fromEntries(['what', 'kept', 'do'].map((part) => [part, said.querySelector('.' + part).textContent])));
  };

  // A passkey that was made and whose answer got lost: pressed again, the same is sent once more, because the invitation may be used up by it.
  let unsent = null;

  // ask gives the server's answer, or shows why there is none.
  const ask = async (path, more, refused = () => {}) => {
    let answer;
    try {
      const response = await fetch(path, { method: 'POST', cache: 'no-store', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ form: form.elements.form.value, ...more }) });
      answer = await response.json();
    } catch {
      browser('network');
      return null;
    }
    if (answer.refused) { show(answer.refused); refused(answer.refused); }
    else if (answer.type) browser('network'); // a problem document: this page is older than the server
    else return answer;
    unsent = null;
    return null;
  };

  const useOf = { login: (o) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(o) }),
    register: (o) => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(o) }) };

  const able = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON && navigator.credentials);
  if (!able) { browser('unable'); return; }

  const code = act === 'register' ? { code: location.hash.slice(1) } : {};
  const ready = () => { button.disabled = false; };
  if (act === 'login') ready();
  else if (!code.code) { browser('link'); nothing(); }
  else {
    ask('/register/options', code, nothing).then((answer) => {
      ready();
      if (!answer) return;
      document.getElementById('name').textContent = answer.name;
      document.getElementById('role').textContent = answer.role;
      document.getElementById('who').hidden = false;
    });
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled) return; // a second press while the first is on its way
    button.disabled = true;
    form.setAttribute('aria-busy', 'true');
    refusal.hidden = true;
    try {
      let response = unsent;
      if (!response) {
        const asked = await ask(`/${act}/options`, code); // a challenge is good for five minutes, so each press has its own
        if (!asked) return;
        try {
          response = JSON.stringify((await useOf[act](asked.options)).toJSON());
        } catch {
          browser('cancelled');
          return;
        }
        if (act === 'register') unsent = response;
      }
      const answer = await ask('/' + act, { ...code, response }, (why) => {
        // A passkey that is refused for what it is will never be of use: its keeper may forget it (section 5.1.10.1).
        if (why.kind === 'passkey-copyable' && act === 'register') PublicKeyCredential.signalUnknownCredential?.({ rpId: location.hostname, credentialId: JSON.parse(response).id })?.catch(() => {});
      });
      if (!answer) return;
      if (answer.to) { location.replace(answer.to); return; }
      history.replaceState(null, '', location.pathname); // the code is used up
      language.action = '/language';
      document.getElementById('word').textContent = answer.word;
      document.getElementById('ask').hidden = true;
      const done = document.getElementById('done');
      done.hidden = false;
      done.focus();
    } finally {
      button.disabled = false;
      form.removeAttribute('aria-busy');
    }
  });
})();
