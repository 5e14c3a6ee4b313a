import fc from 'fast-check';
import type { Job } from '../../upload/state.ts';

/** What is there before an upload, and what happens during it. */
export interface History {
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
  readonly serverSliceSizeBytes: number;
  readonly single: boolean;
  readonly serial: boolean;
  /** The server calls every unfinished upload the same. */
  readonly lenient: boolean;
  /** The server can discard one session and nothing else. */
  readonly exact: boolean;
  /** The server has our content under another path, and makes our object of it at once where init tells its SHA-1. */
  readonly known: boolean;
  readonly integrity: Job['integrity'];
  readonly overwrite: boolean;
  readonly onConflict: Job['onConflict'];
  /** What is at the path before. */
  readonly before:
    | 'nothing'
    | 'same-unfinished'
    | 'other-unfinished'
    | 'other-size'
    | 'present-ours'
    | 'present-other'
    | 'present-like-ours';
  readonly storedBefore: readonly boolean[];
  readonly record: 'none' | 'ours' | 'stale' | 'foreign';
  readonly steps: readonly Step[];
}

export type Step =
  | { readonly do: 'answer' | 'lose-request' | 'lose-reply' | 'refuse' | 'expire' | 'reset'; readonly pick: number }
  | { readonly do: 'forget-session' | 'forget-slice' | 'late-reply'; readonly pick: number }
  | {
      readonly do: 'pause' | 'resume' | 'offline' | 'online' | 'tick' | 'long-tick' | 'stand' | 'sit' | 'others-finish';
    }
  | { readonly do: 'limit'; readonly limit: number };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('answer' as const), pick: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'lose-request' as const,
        'lose-reply' as const,
        'refuse' as const,
        'expire' as const,
        'reset' as const,
      ),
      pick: fc.nat(20),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'forget-session' as const,
        'forget-slice' as const,
        'late-reply' as const,
        'late-reply' as const,
      ),
      pick: fc.nat(20),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'pause' as const,
        'resume' as const,
        'resume' as const,
        'offline' as const,
        'online' as const,
        'online' as const,
        'tick' as const,
        'tick' as const,
        'long-tick' as const,
        'others-finish' as const,
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('stand' as const, 'sit' as const, 'sit' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.integer({ min: 1, max: 6 }) }) },
);

export const historyArbitrary: fc.Arbitrary<History> = fc
  .record({
    sizeBytes: fc.integer({ min: 0, max: 300 }),
    sliceSizeBytes: fc.constantFrom(16, 64),
    serverSliceSizeBytes: fc.constantFrom(16, 20, 64),
    single: fc.boolean(),
    serial: fc.boolean(),
    lenient: fc.boolean(),
    exact: fc.boolean(),
    known: fc.boolean(),
    integrity: fc.constantFrom('none', 'md5', 'sha1'),
    overwrite: fc.boolean(),
    onConflict: fc.constantFrom('error', 'restart'),
    before: fc.constantFrom(
      'nothing',
      'nothing',
      'same-unfinished',
      'same-unfinished',
      'other-unfinished',
      'other-size',
      'present-ours',
      'present-other',
      'present-like-ours',
    ),
    storedBefore: fc.array(fc.boolean(), { maxLength: 20 }),
    record: fc.constantFrom('none', 'ours', 'stale', 'foreign'),
    steps: fc.array(stepArbitrary, { maxLength: 80, size: 'max' }),
  })
  .map((history) => ({ ...history, single: history.sizeBytes === 0 || (history.single && history.sizeBytes <= 64) }));
