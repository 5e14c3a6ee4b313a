import { jsonApi } from '../protocol/json-api/index.ts';
import type { Integrity, Wire } from '../protocol/wire.ts';
import { type OptionRules, optionRules, type WholeName, type WholeRule } from './table.ts';

/** An option as documentation and command lines want it. */
export type OptionRow = { readonly name: string; readonly doc: string } & (
  | ({ readonly kind: 'whole'; readonly unit: 'bytes' | 'ms' | 'attempts' | 'requests' } & WholeRule)
  | { readonly kind: 'choice'; readonly default: string | boolean; readonly choices: readonly (string | boolean)[] }
  | { readonly kind: 'text'; readonly required: boolean }
);

type TextName = 'endpoint' | 'appId' | 'bucket' | 'path' | 'attributes';
type Name = WholeName | keyof OptionRules['choices'] | TextName;

/** What a platform has for a default where the table has another. */
export type OptionDefaults = Readonly<Partial<Record<WholeName, number>> & { readonly integrity?: Integrity }>;

/** One line for each. Kept apart from the rules, so that pages do not load it. */
const DOCS: Readonly<Record<Name, string>> = {
  endpoint: 'URL prefix before `/<appid>/<bucket>/<path>`',
  appId: "The application's id",
  bucket: "The bucket's name",
  path: 'Where in the bucket the object goes',
  attributes: 'Text stored with the object (`biz_attr`)',
  sliceSize: "Slice size to ask for; the server's answer wins",
  singleRequestMax: 'Files up to this size go in one request; `sliceSize` by default',
  'concurrency.min': 'Least requests in flight',
  'concurrency.max': 'Most requests in flight',
  maxMemory: 'Most bytes of content in memory at once; a slice that is larger goes alone',
  'retry.attempts': 'Attempts for one request before the upload fails',
  'retry.attemptsPerUpload': 'Failed attempts in a row, over all slices, with nothing stored in between',
  'retry.baseDelayMs': 'The first pause is random below it, each next one twice as long',
  'retry.maxDelayMs': 'The longest pause, unless the server asks for more',
  'timeouts.connectMs': 'Until the connection stands',
  'timeouts.responseMs': 'From the last byte sent to the reply, beside what the line takes for all that is under way',
  'timeouts.noProgressMs': 'Between two signs of progress while sending',
  integrity: 'What is checked on the way: the size, an MD5 of every slice, or SHA-1 of slices and whole',
  overwrite:
    'When an object is at the path: fail, replace it, leave it and be done, or put ` (1)` before the extension',
  onConflict: "Another content's unfinished upload at the path: fail, or discard it and start over",
};

const REQUIRED: readonly TextName[] = ['endpoint', 'appId', 'bucket', 'path'];

/**
 * The options of an upload that are texts, numbers or choices, in the order in which they are best read.
 *
 * @param defaults the platform's own
 */
export function describeOptions(defaults: OptionDefaults = {}, wire: Wire = jsonApi): readonly OptionRow[] {
  const { wholes, choices } = optionRules(wire.traits);
  const text = (name: TextName): OptionRow => {
    return { name, doc: DOCS[name], kind: 'text', required: REQUIRED.includes(name) };
  };
  const rows: OptionRow[] = REQUIRED.map(text);
  for (const [key, rule] of Object.entries(wholes)) {
    const name = key as WholeName;
    const { min, max, step } = rule;
    const row = { name, doc: DOCS[name], kind: 'whole', unit: unitOf(name), min, max, step } as const;
    rows.push({ ...row, default: defaults[name] ?? rule.default });
  }
  for (const [key, allowed] of Object.entries(choices)) {
    const name = key as keyof typeof choices;
    const chosen = name === 'integrity' ? defaults.integrity : undefined;
    rows.push({ name, doc: DOCS[name], kind: 'choice', default: chosen ?? allowed[0] ?? '', choices: allowed });
  }
  return [...rows, text('attributes')];
}

function unitOf(name: WholeName): 'bytes' | 'ms' | 'attempts' | 'requests' {
  if (name.endsWith('Ms')) return 'ms';
  if (name.startsWith('retry')) return 'attempts';
  return name.startsWith('concurrency') ? 'requests' : 'bytes';
}
