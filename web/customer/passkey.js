// Passkeys on the customer's pages (WebAuthn Level 3). What the server refuses it says on the page; what fails in the browser is said here, in words that stand in the page already.
'use strict';
(() => {
  const one = (selector, within = document) => within.querySelector(selector);

  // A notice leads here with its code behind the sign #, which no server sees. It is taken out of the address bar, so that nobody reads it there later.
  const objection = document.getElementById('objection');
  if (objection) {
    const code = location.hash.slice(1);
    if (/^[2-9A-HJ-NP-Z]{16}$/.test(code)) {
      objection.value = code.replace(/(.{4})(?=.)/g, '$1-');
      history.replaceState(null, '', location.pathname + location.search);
    }
  }

  const able = Boolean(window.PublicKeyCredential && navigator.credentials);
  if (!able) {
    const missing = one('[data-passkey-missing]');
    if (missing) missing.hidden = false;
  }

  const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const listed = (list) => (list ?? []).map((c) => ({ ...c, id: bytes(c.id) }));

  // options asks the server for a challenge. It lives five minutes and opens one ceremony.
  const options = async (address, form, more = {}) => {
    const answer = await fetch(address, { method: 'POST', cache: 'no-store', headers: { accept: 'application/json' },
      body: new URLSearchParams({ form: form.elements.form.value, ...more }) });
    if (!answer.ok) {
      const problem = new Error('refused');
      problem.status = answer.status;
      throw problem;
    }
    return answer.json();
  };

  const response = (credential) => {
    const r = credential.response;
    const out = { id: credential.id, rawId: text(credential.rawId), type: credential.type, authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
      clientExtensionResults: {}, response: { clientDataJSON: text(r.clientDataJSON) } };
    if (r.attestationObject) {
      out.response.attestationObject = text(r.attestationObject);
      out.response.transports = r.getTransports ? r.getTransports() : [];
    } else {
      out.response.authenticatorData = text(r.authenticatorData);
      out.response.signature = text(r.signature);
      if (r.userHandle) out.response.userHandle = text(r.userHandle);
    }
    return JSON.stringify(out);
  };

  const say = (form, which) => {
    for (const note of form.querySelectorAll('[data-passkey-failed], [data-passkey-exists]')) note.hidden = true;
    const note = which && one(`[data-passkey-${which}]`, form);
    if (note) { note.hidden = false; }
  };

  const making = one('form[data-passkey-make]');
  if (making && able) {
    making.addEventListener('submit', async (event) => {
      if (making.elements.response.value) return; // made already: now the page goes on
      event.preventDefault();
      const button = one('button', making);
      button.disabled = true;
      say(making);
      try {
        const o = await options(making.dataset.passkeyMake, making, { errand: making.dataset.errand });
        const made = await navigator.credentials.create({ publicKey: { ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: listed(o.excludeCredentials) } });
        making.elements.response.value = response(made);
        delete making.dataset.sent;
        making.requestSubmit();
      } catch (problem) {
        if (problem.status) { location.reload(); return; } // the server says on the page what it refused
        say(making, problem.name === 'InvalidStateError' ? 'exists' : 'failed');
        delete making.dataset.sent;
        making.removeAttribute('aria-busy');
      } finally { button.disabled = false; }
    });
  }

  const using = one('form[data-passkey-use]');
  if (using && able) {
    using.hidden = false;
    one('[data-after-passkey]')?.classList.remove('main'); // one button is the first choice
    let waiting = new AbortController();
    const use = async (mediation) => {
      waiting.abort();
      const mine = waiting = new AbortController();
      const o = await options(using.dataset.passkeyUse, using);
      const used = await navigator.credentials.get({ mediation, signal: mine.signal, publicKey: { ...o, challenge: bytes(o.challenge), allowCredentials: listed(o.allowCredentials) } });
      if (!used) return;
      using.elements.response.value = response(used);
      delete using.dataset.sent;
      using.requestSubmit();
    };
    // The browser offers her passkeys in the field for the login ID. A challenge is good for five minutes, so a fresh one is fetched in time.
    const offer = async () => {
      try {
        if (!await PublicKeyCredential.isConditionalMediationAvailable?.()) return;
        const again = setTimeout(() => { if (!document.hidden) offer(); else document.addEventListener('visibilitychange', offer, { once: true }); }, 240000);
        await use('conditional').finally(() => clearTimeout(again));
      } catch { /* nothing was chosen; the button and the fields are still there */ }
    };
    using.addEventListener('submit', async (event) => {
      if (using.elements.response.value) return;
      event.preventDefault();
      const button = one('button', using);
      button.disabled = true;
      say(using);
      try {
        await use('optional');
      } catch {
        say(using, 'failed');
        delete using.dataset.sent;
        using.removeAttribute('aria-busy');
        offer();
      } finally { button.disabled = false; }
    });
    addEventListener('pageshow', () => { using.elements.response.value = ''; });
    offer();
  }

  // What was approved on the phone is done without another press.
  const onward = one('form[data-submit]');
  if (onward) onward.requestSubmit();
})();
