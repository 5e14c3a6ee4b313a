import { isCosSliceError } from '../errors.ts';
import type { Config } from '../options/options.ts';
import type { ByteRange, Source } from '../ports.ts';
import { removeSlice } from './listed.ts';
import type { Command, Task } from './plan.ts';
import { NOT_PLANNED } from './reconciler.ts';
import { bytesIn, hasSlice, sliceRange } from './slices.ts';
import { isOver, type Sending, UNTRIED, type UploadEvent, type UploadState } from './state.ts';
import { finishIfComplete } from './steps.ts';

/**
 * Slices that a list calls stored count from the start, and are compared with the source while others are sent: what differs is
 * sent again before finish. Who resumes with MD5s wants to know what is there, whoever has put it there, and that the source is
 * still the same does not tell.
 */

/** Enough to keep a disk busy. They wait for places like slices, and have their turn among those. */
const AT_ONCE = 2;

/** Comparisons that should be running now, beside what is sent. */
export function planProofs(state: UploadState): Command[] {
  if (isOver(state) || state.phase !== 'sending' || !state.seated || state.pausedAtMs !== undefined) return [];
  const { run, layout, unproven = [] } = state;
  return unproven.slice(0, AT_ONCE).map(({ index, md5 }) => {
    const range = sliceRange(layout, index);
    return { type: 'compare', key: `${run}:compare:${index}`, run, attempt: 0, slice: index, range, md5 };
  });
}

/** A slice that is not what it should be is one that is not stored. */
export function onCompared(state: Sending, index: number, same: boolean): UploadState {
  const unproven = state.unproven?.filter((one) => one.index !== index);
  if (unproven?.length === state.unproven?.length) return state;
  if (same) return finishIfComplete({ ...state, unproven });
  const resumed = state.resumed && removeSlice(state.resumed, index);
  return {
    ...state,
    unproven,
    stored: removeSlice(state.stored, index),
    resumed,
    resumedBytes: resumed && hasSlice(state.resumed, index) ? bytesIn(state.layout, resumed) : state.resumedBytes,
    active: [...state.active, { ...UNTRIED, index }],
  };
}

/** What a comparison takes. */
export interface Proving<C> {
  readonly source: Source<C>;
  readonly config: Pick<Config, 'limiter'>;
  /** Whose places the limiter is to be fair to. */
  readonly owner: object;
  read(range: ByteRange, controller: AbortController): Promise<C>;
  digest(algorithm: 'md5', content: C, controller: AbortController): Promise<string>;
  /** What integrity wants to know of a slice. */
  sum(range: ByteRange, content: C, controller: AbortController): Promise<{ readonly md5?: string }>;
}

/** Reads a slice and compares it with what is there. One that cannot be read is sent, and the upload fails then if it must. */
export async function compare<C>(
  { run, slice, range, md5 }: Extract<Task, { readonly type: 'compare' }>,
  controller: AbortController,
  { source, config, owner, read, digest, sum }: Proving<C>,
): Promise<UploadEvent> {
  const leave = await config.limiter.acquire(controller.signal, owner, range.length);
  let same = false;
  try {
    const content = await read(range, controller);
    try {
      const { md5: own } = await sum(range, content, controller);
      same = md5 === undefined || (own ?? (await digest('md5', content, controller))) === md5;
    } finally {
      source.release?.(content);
    }
    if (same) source.stored?.(range);
  } catch (error) {
    if (controller.signal.reason === NOT_PLANNED) throw error;
    // Of a stream nothing but this run's own work is listed, whose MD5 has gone with it.
    same = isCosSliceError(error, 'source-not-replayable');
  } finally {
    leave({ outcome: 'neutral', bytes: 0 });
  }
  return { type: 'compared', run, slice, same };
}
