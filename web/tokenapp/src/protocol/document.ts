// The offer of a transaction, and every check that stands between it and the screen. It throws where anything does not fit:
// what cannot be shown exactly is not shown at all.

import { fromBase64url } from './bytes.ts';
import { exact, time, type Canonical } from './canonical.ts';
import { bookedTime, fits } from './form.ts';
import { parse, publicJwk, thumbprint, verifyWithJwk, verifyWithKid, type PublicJwk } from './jws.ts';
import { hashOf, hashOfPayload, type Bundle } from './templates.ts';

const MAX_BYTES = 4 * 1024;
const ID = /^txn_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** What the customer is asked to confirm. Only `readOffer` makes one. */
export type Document = {
  id: string;
  issuer: string;
  audience: string;
  customer: string;
  template: string;
  templateVersion: string;
  /** Hash of the bundle that it is shown by. */
  templates: string;
  currency: string;
  fields: { id: string; value: string }[];
  issued: number;
  expires: number;
  /** Hash of the document's bytes. */
  hash: string;
  /** Hash of the offer envelope. */
  offer: string;
};

/** The key that signs offers. */
export type IssuerKey = { issuer: string; key: PublicJwk; kid: string };

/** Who this phone is to that issuer. */
export type Holder = IssuerKey & { customer: string };

/** The server may have made its key a moment before this phone's clock thinks it is. */
const LEEWAY = 24 * 3600_000;

/** The issuer key as the root that this phone pinned vouches for it. */
export async function checkIssuerKey(envelope: string, issuer: string, root: string, now: number): Promise<IssuerKey> {
  const rooted = await verifyWithJwk(envelope, 'inkan-issuer-key+jws');
  if ((await thumbprint(rooted.key)) !== root) throw new Error('the issuer key stands behind another root');
  const said = exact(rooted.payload, 'v', 'issuer', 'key{}', 'not_before', 'expires');
  if (said.v !== '1' || said.issuer !== issuer) throw new Error('an issuer key of another issuer or version');
  if (now < time(said.not_before) - LEEWAY || now >= time(said.expires)) throw new Error('the issuer key is not valid at this time');
  const key = publicJwk(said.key);
  return { issuer, key, kid: await thumbprint(key) };
}

/** Takes the customer from this phone's certificate. It fails under any issuer key but the one that this phone registered with. */
export async function checkHolder(certificate: string, token: string, issuer: IssuerKey): Promise<Holder> {
  const certified = exact(
    await verifyWithKid(certificate, 'inkan-token-certificate+jws', issuer.key, issuer.kid),
    'v', 'issuer', 'token', 'customer', 'key', 'not_before', 'expires', 'generation', 'activated_by',
  );
  if (certified.v !== '1' || certified.issuer !== issuer.issuer || certified.token !== token) throw new Error('not the certificate of this phone');
  return { ...issuer, customer: certified.customer };
}

function readFields(list: Canonical[]): Document['fields'] {
  return list.map((item) => {
    const { id, value } = exact(item, 'id', 'value');
    return { id, value };
  });
}

/** Whether a document has exactly the fields of its template, in its order and of their form, and no other. */
function checkFields(document: Document, bundle: Bundle): void {
  const template = bundle.templates.get(document.template);
  if (document.templates !== bundle.hash || document.issuer !== bundle.issuer) throw new Error('the document names other templates');
  if (!template || template.version !== document.templateVersion) throw new Error('a template that the bundle does not have');
  let at = 0;
  for (const id of template.fields) {
    const found = document.fields[at];
    if (found?.id === id) {
      if (!fits(bundle.fields.get(id)!.format, found.value, bundle.choices.get(id))) throw new Error(`the field ${id} is not of its form`);
      at++;
    } else if (!template.optional.includes(id)) {
      throw new Error(`the field ${id} is missing, or not in its place`);
    }
  }
  if (at !== document.fields.length) throw new Error('a field that the template does not have');
}

/** A document and the bundle it was checked with. Only `checkOffer` makes one: whatever is shown has been checked. */
export type Checked = { document: Document; bundle: Bundle };

/** Checks an offer up to the point where its templates are needed, and says by its `templates` which ones those are. */
export async function readOffer(envelope: string, holder: Holder): Promise<Document> {
  if (parse(envelope).payload.length > MAX_BYTES) throw new Error('a document that is too long');
  const said = exact(
    await verifyWithKid(envelope, 'inkan-offer+jws', holder.key, holder.kid),
    'v', 'id', 'issuer', 'audience', 'customer', 'nonce', 'template', 'template_version', 'templates', 'currency', 'fields[]', 'issued', 'expires',
  );
  const document: Document = {
    id: said.id,
    issuer: said.issuer,
    audience: said.audience,
    customer: said.customer,
    template: said.template,
    templateVersion: said.template_version,
    templates: said.templates,
    currency: said.currency,
    fields: readFields(said.fields),
    issued: bookedTime(said.issued),
    expires: bookedTime(said.expires),
    hash: await hashOfPayload(envelope),
    offer: await hashOf(envelope),
  };
  if (said.v !== '1' || !ID.test(document.id) || fromBase64url(said.nonce).length !== 16) throw new Error('not a document of this version');
  if (!/^[A-Z]{3}$/.test(document.currency) || document.expires <= document.issued) throw new Error('a document that says nothing sensible');
  if (document.issuer !== holder.issuer) throw new Error('an offer of another issuer');
  if (document.customer !== holder.customer) throw new Error('an offer to somebody else');
  return document;
}

/**
 * Checks an offer: its signature, whose it is, and every field against the templates that it names.
 * Whether it can still be answered is asked by `alive`, since an old one may be read in the history.
 */
export async function checkOffer(envelope: string, holder: Holder, bundle: Bundle): Promise<Checked> {
  const document = await readOffer(envelope, holder);
  checkFields(document, bundle);
  return { document, bundle };
}

/** Whether a document can be answered at this moment of the corrected clock. */
export function alive(document: Document, now: number): boolean {
  return now < document.expires;
}
