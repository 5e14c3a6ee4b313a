import { describeOptions as describe, type OptionDefaults, type OptionRow } from '@cos-slice/core';

/** Connections that stand still now and then, as far networks make them, are made up for by others. */
export const CONCURRENCY = { min: 1, max: 16 } as const;
export const INTEGRITY = 'md5';

const DEFAULTS: OptionDefaults = {
  'concurrency.min': CONCURRENCY.min,
  'concurrency.max': CONCURRENCY.max,
  integrity: INTEGRITY,
};

const OWN: readonly OptionRow[] = [
  {
    name: 'proxy',
    doc: 'URL of a proxy to go through; by default what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say',
    kind: 'text',
    required: false,
  },
  {
    name: 'mayGrow',
    doc: 'Send a growing file, such as a log, as long as it is at the start',
    kind: 'choice',
    default: false,
    choices: [false, true],
  },
];

/** The options of `uploadFile` that are texts, numbers or choices, for documentation and command lines. */
export function describeOptions(): readonly OptionRow[] {
  return [...describe(DEFAULTS), ...OWN];
}
