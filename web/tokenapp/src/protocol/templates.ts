// The bundle of templates: which fields a kind of transaction has, and in which words they are shown.
// Everything on the approval screen that is not a value comes from here, so it is believed only under the root that this phone pinned.

import { sha256, toBase64url, utf8 } from './bytes.ts';
import { exact, text, type Canonical } from './canonical.ts';
import { FORMATS, isLabel, type Format } from './form.ts';
import { parse, thumbprint, verifyWithJwk } from './jws.ts';

export type Label = { ja: string; en: string };
export type Field = { format: Format; label: Label };
export type Template = {
  version: string;
  title: Label;
  caution: Label;
  fields: string[];
  optional: string[];
  verification: 'none' | 'pin' | 'webauthn';
};

/** A bundle that has been checked. Only `readTemplates` makes one. */
export type Bundle = {
  /** Hash of the payload: what documents and decisions name it by. */
  hash: string;
  issuer: string;
  fields: ReadonlyMap<string, Field>;
  choices: ReadonlyMap<string, ReadonlyMap<string, Label>>;
  templates: ReadonlyMap<string, Template>;
};

/** A list of different names. */
function names(value: Canonical[]): string[] {
  const list = value.map(text);
  if (list.includes('') || new Set(list).size !== list.length) throw new Error('a list names nothing, or something twice');
  return list;
}

function label(ja: string, en: string): Label {
  if (!isLabel(ja) || !isLabel(en)) throw new Error('a label is not of the repertoire');
  return { ja, en };
}

/** Labels that are shown side by side: two things under one label would be shown alike. */
function differ(labels: Label[]): void {
  for (const language of ['ja', 'en'] as const) {
    if (new Set(labels.map((one) => one[language])).size !== labels.length) throw new Error('two things have one label');
  }
}

function field(value: Canonical): Field {
  const members = exact(value, 'format', 'ja', 'en');
  const format = FORMATS.find((known) => known === members.format);
  if (!format) throw new Error('a field of a format that this app does not know');
  return { format, label: label(members.ja, members.en) };
}

function choices(values: Canonical): ReadonlyMap<string, Label> {
  if (typeof values !== 'object' || Array.isArray(values)) throw new Error('not an object');
  const made = new Map(Object.entries(values).map(([value, both]) => {
    const { ja, en } = exact(both, 'ja', 'en');
    return [value, label(ja, en)];
  }));
  differ([...made.values()]);
  return made;
}

function template(value: Canonical): Template {
  const members = exact(value, 'version', 'ja', 'en', 'caution_ja', 'caution_en', 'fields[]', 'optional[]', 'verification');
  const verification = (['none', 'pin', 'webauthn'] as const).find((known) => known === members.verification);
  const made = {
    version: members.version,
    title: label(members.ja, members.en),
    caution: { ja: members.caution_ja, en: members.caution_en },
    fields: names(members.fields),
    optional: names(members.optional),
  };
  if (!verification || made.version === '' || made.fields.length === 0) throw new Error('a template is not complete');
  return { ...made, verification };
}

/** Checks a bundle and takes it apart. `root` is the thumbprint that this phone pinned at its registration. */
export async function readTemplates(envelope: string, issuer: string, root: string): Promise<Bundle> {
  const { payload, key } = await verifyWithJwk(envelope, 'inkan-templates+jws');
  if ((await thumbprint(key)) !== root) throw new Error('the templates stand behind another root');
  const whole = exact(payload, 'v', 'issuer', 'version', 'fields{}', 'choices{}', 'templates{}');
  if (whole.v !== '1' || whole.issuer !== issuer || whole.version === '') throw new Error('templates of another issuer or version');
  const bundle: Bundle = {
    hash: await hashOfPayload(envelope),
    issuer,
    fields: new Map(Object.entries(whole.fields).map(([name, value]) => [name, field(value)])),
    choices: new Map(Object.entries(whole.choices).map(([name, values]) => [name, choices(values)])),
    templates: new Map(Object.entries(whole.templates).map(([name, value]) => [name, template(value)])),
  };
  differ([...bundle.templates.values()].map(({ title }) => title));
  for (const { fields, optional } of bundle.templates.values()) {
    for (const name of fields) {
      const known = bundle.fields.get(name);
      if (!known || (known.format === 'choice' && !bundle.choices.get(name)?.size)) throw new Error(`a template has a field ${name} that does not exist`);
    }
    differ(fields.map((name) => bundle.fields.get(name)!.label));
    if (!optional.every((name) => fields.includes(name))) throw new Error('an optional field that the template does not have');
  }
  return bundle;
}

/** The hash of the bytes that an envelope carries. */
export async function hashOfPayload(envelope: string): Promise<string> {
  return toBase64url(await sha256(parse(envelope).payload));
}

/** The hash of an envelope as it travelled. */
export async function hashOf(text: string): Promise<string> {
  return toBase64url(await sha256(utf8(text)));
}
