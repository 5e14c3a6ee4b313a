import type { Integrity, Overwrite, Traits } from '../protocol/wire.ts';

const DAY_MS = 86_400_000;

/** A whole number that may be given: a multiple of `step`, in bounds. */
export interface WholeRule {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly unit: 'bytes' | 'ms' | 'attempts' | 'requests';
}

export type WholeName =
  | 'sliceSize'
  | 'singleRequestMax'
  | 'concurrency.min'
  | 'concurrency.max'
  | 'retry.attempts'
  | 'retry.attemptsPerUpload'
  | 'retry.baseDelayMs'
  | 'retry.maxDelayMs'
  | 'timeouts.connectMs'
  | 'timeouts.responseMs'
  | 'timeouts.noProgressMs';

export interface OptionRules {
  readonly wholes: Readonly<Record<WholeName, WholeRule>>;
  readonly choices: {
    readonly integrity: readonly Integrity[];
    readonly overwrite: readonly Overwrite[];
    readonly onConflict: readonly ('error' | 'restart')[];
  };
}

/** What may be given for an upload over a wire. Everything that checks or describes options goes by it. */
export function optionRules(traits: Traits): OptionRules {
  const { chosenBy: _whose, ...sliceSize } = traits.sliceSize;
  const single = { min: 0, max: traits.maxSingleBytes, step: 1 };
  const requests = { min: 1, max: 64, step: 1, unit: 'requests' } as const;
  const delay = { min: 0, max: DAY_MS, step: 1, unit: 'ms' } as const;
  const timeout = { ...delay, min: 1 };
  return {
    wholes: {
      sliceSize: { ...sliceSize, unit: 'bytes' },
      singleRequestMax: { ...single, default: Math.min(sliceSize.default, single.max), unit: 'bytes' },
      'concurrency.min': { ...requests, default: 1 },
      'concurrency.max': { ...requests, default: 8 },
      'retry.attempts': { default: 10, min: 1, max: 1000, step: 1, unit: 'attempts' },
      'retry.attemptsPerUpload': { default: 100, min: 1, max: 1_000_000, step: 1, unit: 'attempts' },
      'retry.baseDelayMs': { ...delay, default: 500 },
      'retry.maxDelayMs': { ...delay, default: 30_000 },
      'timeouts.connectMs': { ...timeout, default: 10_000 },
      'timeouts.responseMs': { ...timeout, default: 30_000 },
      'timeouts.noProgressMs': { ...timeout, default: 30_000 },
    },
    choices: {
      integrity: traits.integrity,
      overwrite: [false, true, 'skip', 'rename'],
      onConflict: ['error', 'restart'],
    },
  };
}
