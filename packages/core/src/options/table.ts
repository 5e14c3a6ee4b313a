import type { Integrity, Overwrite, Traits } from '../protocol/wire.ts';

const DAY_MS = 86_400_000;

/** A whole number that may be given: a multiple of `step`, in bounds. */
export interface WholeRule {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export type WholeName =
  | 'sliceSize'
  | 'singleRequestMax'
  | 'concurrency.min'
  | 'concurrency.max'
  | 'maxMemory'
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

/** As much as 16 slices of 8 MiB: what uploads hold by default, and what parts of S3 need to fill a far line, fits. */
export const MAX_MEMORY: WholeRule = { default: 128 * 1024 ** 2, min: 1024 ** 2, max: 1024 ** 4, step: 1 };

/** What may be given for an upload over a wire. Everything that checks or describes options goes by it. */
export function optionRules({ sliceSize, maxSingleBytes, integrity }: Traits): OptionRules {
  return {
    wholes: {
      sliceSize,
      singleRequestMax: upTo(maxSingleBytes, Math.min(sliceSize.default, maxSingleBytes), 0),
      'concurrency.min': upTo(64, 1),
      'concurrency.max': upTo(64, 8),
      maxMemory: MAX_MEMORY,
      'retry.attempts': upTo(1000, 10),
      'retry.attemptsPerUpload': upTo(1_000_000, 100),
      'retry.baseDelayMs': upTo(DAY_MS, 500, 0),
      'retry.maxDelayMs': upTo(DAY_MS, 30_000, 0),
      'timeouts.connectMs': upTo(DAY_MS, 10_000),
      'timeouts.responseMs': upTo(DAY_MS, 30_000),
      'timeouts.noProgressMs': upTo(DAY_MS, 30_000),
    },
    choices: {
      integrity,
      overwrite: [false, true, 'skip', 'rename'],
      onConflict: ['error', 'restart'],
    },
  };
}

function upTo(max: number, standard: number, min = 1): WholeRule {
  return { default: standard, min, max, step: 1 };
}
