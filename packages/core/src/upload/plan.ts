import type { ByteRange, FileHash, HashCheckpoint } from '../ports.ts';
import { nextMissing, sliceRange } from './slices.ts';
import {
  type ActiveState,
  isLocal,
  isOver,
  type Sending,
  type Session,
  type Tries,
  UNTRIED,
  type UploadState,
} from './state.ts';
import { listTags } from './tags.ts';

export interface Limits {
  /** Requests that may be in flight. */
  readonly concurrency: number;
}

interface Step<Type> {
  readonly type: Type;
  readonly key: string;
  readonly run: number;
  readonly attempt: number;
}

/** A piece of work with an outcome. */
export type Task =
  | Step<'source' | 'recall'>
  | (Step<'hash'> & { readonly from?: HashCheckpoint | undefined })
  | (Step<'init'> & { readonly hash?: FileHash | undefined })
  | (Step<'list'> & { readonly session?: string | undefined; readonly sliceSizeBytes?: number | undefined })
  | (Step<'discard'> & { readonly session: string; readonly exact: boolean })
  | (Step<'finish'> & { readonly session: Session; readonly tags?: readonly string[] | undefined })
  | (Step<'compare'> & { readonly slice: number; readonly range: ByteRange; readonly md5?: string | undefined })
  | (Step<'send'> & {
      readonly slice: number;
      readonly range: ByteRange;
      /** Absent: the whole file in one request. */
      readonly session?: Session | undefined;
    });

/** Something that should be running. Two commands with the same `key` are the same piece of work. */
export type Command =
  | Task
  /** Nothing to do before this time (monotonic ms). */
  | { readonly type: 'wait'; readonly key: string; readonly untilMs: number };

/** After a pause, what is in flight has this long to come to its end. */
export const PAUSE_GRACE_MS = 5_000;

/**
 * What should be running now, derived from what is true: what is in flight already is in the plan again, and what is not in
 * the plan should not be running.
 */
export function plan(state: UploadState, limits: Limits, nowMs: number): Command[] {
  if (isOver(state) || !state.seated) return [];
  const { pausedAtMs, probeAtMs } = state;
  if (pausedAtMs !== undefined) {
    const untilMs = pausedAtMs + PAUSE_GRACE_MS;
    const running = nowMs < untilMs && state.step !== 'hash' ? planRunning(state) : [];
    return running.length > 0 ? [...running, wait(untilMs)] : [];
  }
  if (probeAtMs === undefined || isLocal(state)) return planAll(state, limits, nowMs);
  // The network is said to be gone. That is a hint: what is in flight will tell, and now and then a request is risked.
  const running = planRunning(state);
  if (running.length > 0) return running;
  return nowMs < probeAtMs ? [wait(probeAtMs)] : planAll(state, { concurrency: 1 }, nowMs).slice(0, 1);
}

function planRunning(state: ActiveState): Command[] {
  if (state.phase !== 'sending') return state.running ? [planStep(state)] : [];
  const commands: Command[] = [];
  for (const slice of state.active) if (slice.running) commands.push(send(state, slice.index, slice));
  return commands;
}

function planAll(state: ActiveState, limits: Limits, nowMs: number): Command[] {
  if (state.phase === 'sending') return planSlices(state, limits, nowMs);
  return [state.retryAtMs > nowMs ? wait(state.retryAtMs) : planStep(state)];
}

function planStep(state: Exclude<ActiveState, Sending>): Task {
  const { run, attempt, resigns, step } = state;
  const work = { key: `${run}:${attempt}:${resigns}`, run, attempt };
  switch (step) {
    case 'hash':
      return { ...work, type: step, from: state.checkpoint };
    case 'init':
      return { ...work, type: step, hash: state.hash };
    case 'list': {
      const { session, sliceSizeBytes } = { session: undefined, sliceSizeBytes: undefined, ...state.why };
      return { ...work, type: step, session, sliceSizeBytes };
    }
    case 'discard':
      return { ...work, type: step, session: state.session, exact: state.exact };
    case 'finish':
      return { ...work, type: step, session: state.session, tags: state.tags && listTags(state.tags) };
    default:
      return { ...work, type: step };
  }
}

/**
 * Slices in flight stay; then those whose pause is over; then new ones, in order. A slice that waits for its next attempt
 * keeps its place, so that a server in trouble is not met with every slice of the file in turn.
 */
function planSlices(state: Sending, limits: Limits, nowMs: number): Command[] {
  const places = state.session?.serial ? 1 : Math.max(1, limits.concurrency);
  const commands = planRunning(state);
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let taken = commands.length;
  for (const slice of state.active) {
    if (slice.running) continue;
    if (taken >= places) break;
    taken += 1;
    if (slice.retryAtMs <= nowMs) commands.push(send(state, slice.index, slice));
    else wakeAtMs = Math.min(wakeAtMs, slice.retryAtMs);
  }
  for (let index = state.cursor; taken < places && index < state.stored.size; taken += 1) {
    commands.push(send(state, index, UNTRIED));
    index = nextMissing(state.stored, index + 1);
  }
  if (wakeAtMs < Number.POSITIVE_INFINITY) commands.push(wait(wakeAtMs));
  return commands;
}

function send({ run, layout, session }: Sending, slice: number, { attempt, resigns }: Tries): Task {
  const key = `${run}:${slice}:${attempt}:${resigns}`;
  return { type: 'send', key, run, attempt, slice, range: sliceRange(layout, slice), session };
}

function wait(untilMs: number): Command {
  return { type: 'wait', key: `wait:${untilMs}`, untilMs };
}
