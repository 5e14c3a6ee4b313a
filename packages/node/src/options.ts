import { describeOptions as describe, type OptionDefaults, type OptionRow, type WholeRule } from '@cos-slice/core';

/** Connections that stand still now and then, as far networks make them, are made up for by others. */
export const CONCURRENCY = { min: 1, max: 16 } as const;
export const INTEGRITY = 'md5';

/** Bytes of a stream of unknown length that may go to a temporary file. */
export const SPOOL_MAX: WholeRule = {
  default: 5_368_709_120,
  min: 0,
  max: 1_099_511_627_776,
  step: 1,
};

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
  {
    name: 'spoolMax',
    doc: 'Most bytes of a stream whose length is not known; they go to a temporary file until it ends',
    kind: 'whole',
    unit: 'bytes',
    ...SPOOL_MAX,
  },
];

/** The options of `uploadFile` that are texts, numbers or choices, for documentation and command lines. */
export function describeOptions(): readonly OptionRow[] {
  return [...describe(DEFAULTS), ...OWN];
}
