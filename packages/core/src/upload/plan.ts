import type { ByteRange, FileHash, HashCheckpoint } from '../ports.ts';
import { nextMissing, sliceRange } from './slices.ts';
import {
  type ActiveState,
  isOver,
  type Sending,
  type Session,
  type Tries,
  UNTRIED,
  type UploadState,
} from './state.ts';

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
  | Step<'recall'>
  | Step<'list' | 'discard'>
  | (Step<'hash'> & { readonly from?: HashCheckpoint | undefined })
  | (Step<'init'> & { readonly hash?: FileHash | undefined })
  | (Step<'finish'> & { readonly session: Session })
  | (Step<'send'> & {
      readonly slice: number;
      readonly range: ByteRange;
      /** Absent: the whole file in one request. */
      readonly session?: Session | undefined;
    });

/** Something that should be running. Two commands with the same `key` are the same piece of work. */
export type Command =
  | Task
  /** Nothing to do before this time (epoch ms). */
  | { readonly type: 'wait'; readonly key: string; readonly untilMs: number };

/**
 * What should be running now, derived from what is true: what is in flight already is in the plan again, and what is not in
 * the plan should not be running.
 */
export function plan(state: UploadState, limits: Limits, nowMs: number): Command[] {
  if (isOver(state) || state.paused || !state.online) return [];
  if (state.phase === 'sending') return planSlices(state, limits, nowMs);
  if (state.retryAtMs > nowMs) return [wait(state.retryAtMs)];
  return [planControl(state)];
}

function planControl(state: Exclude<ActiveState, Sending>): Command {
  const { run, attempt, resigns } = state;
  const request = { key: `${run}:${attempt}:${resigns}`, run, attempt };
  if (state.phase === 'hashing') return { ...request, type: 'hash', from: state.checkpoint };
  if (state.phase === 'finishing') return { ...request, type: 'finish', session: state.session };
  return { ...request, type: state.step, hash: state.hash };
}

/**
 * Slices in flight stay; then those whose pause is over; then new ones, in order. A slice that waits for its next attempt
 * keeps its place, so that a server in trouble is not met with every slice of the file in turn.
 */
function planSlices(state: Sending, limits: Limits, nowMs: number): Command[] {
  const places = state.session?.serial ? 1 : Math.max(1, limits.concurrency);
  const commands: Command[] = [];
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let taken = 0;
  for (const slice of state.active) {
    if (!slice.running) continue;
    commands.push(send(state, slice.index, slice));
    taken += 1;
  }
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

function send({ run, layout, session }: Sending, slice: number, { attempt, resigns }: Tries): Command {
  const key = `${run}:${slice}:${attempt}:${resigns}`;
  return { type: 'send', key, run, attempt, slice, range: sliceRange(layout, slice), session };
}

function wait(untilMs: number): Command {
  return { type: 'wait', key: `wait:${untilMs}`, untilMs };
}
