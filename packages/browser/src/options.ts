import { describeOptions as describe, type OptionRow } from '@cos-slice/core';

export const SLICE_BYTES: number = 2 * 1024 * 1024;
/** Browsers open six connections to a host. */
export const CONCURRENCY = { min: 1, max: 6 } as const;
export const INTEGRITY = 'none';

/** The options of `uploadBlob` that are texts, numbers or choices, for documentation and forms. */
export function describeOptions(): readonly OptionRow[] {
  return describe({
    sliceSize: SLICE_BYTES,
    singleRequestMax: SLICE_BYTES,
    'concurrency.min': CONCURRENCY.min,
    'concurrency.max': CONCURRENCY.max,
    integrity: INTEGRITY,
  });
}
