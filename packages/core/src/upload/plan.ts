import type { ByteRange, FileHash, HashCheckpoint } from '../ports.ts';
import { nextMissing, sliceRange } from './slices.ts';
import { type ActiveSlice, type ActiveState, isOver, type Sending, type Session, type UploadState } from './state.ts';

export interface Limits {
  /** Requests that may be in flight. */
  readonly concurrency: number;
}

/** Something that should be running. Two commands with the same `key` are the same piece of work. */
export type Command =
  | { readonly type: 'recall'; readonly key: string; readonly run: number }
  | { readonly type: 'hash'; readonly key: string; readonly run: number; readonly from?: HashCheckpoint | undefined }
  | { readonly type: 'list'; readonly key: string; readonly run: number; readonly attempt: number }
  | {
      readonly type: 'init';
      readonly key: string;
      readonly run: number;
      readonly attempt: number;
      readonly hash?: FileHash | undefined;
    }
  | { readonly type: 'discard'; readonly key: string; readonly run: number; readonly attempt: number }
  | {
      readonly type: 'send';
      readonly key: string;
      readonly run: number;
      readonly attempt: number;
      readonly slice: number;
      readonly range: ByteRange;
      /** Absent: the whole file in one request. */
      readonly session?: Session | undefined;
    }
  | {
      readonly type: 'finish';
      readonly key: string;
      readonly run: number;
      readonly attempt: number;
      readonly session: Session;
    }
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
  const { run, attempt } = state;
  const key = `${run}:${attempt}:${state.resigns}`;
  switch (state.phase) {
    case 'hashing':
      return { type: 'hash', key, run, from: state.checkpoint };
    case 'finishing':
      return { type: 'finish', key, run, attempt, session: state.session };
    case 'opening':
      return { type: state.step, key, run, attempt, hash: state.hash };
  }
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
    commands.push(send(state, index));
    index = nextMissing(state.stored, index + 1);
  }
  if (wakeAtMs < Number.POSITIVE_INFINITY) commands.push(wait(wakeAtMs));
  return commands;
}

function send(state: Sending, index: number, active?: ActiveSlice): Command {
  const { run, layout, session } = state;
  const attempt = active?.attempt ?? 0;
  return {
    type: 'send',
    key: `${run}:${index}:${attempt}:${active?.resigns ?? 0}`,
    run,
    attempt,
    slice: index,
    range: sliceRange(layout, index),
    session,
  };
}

function wait(untilMs: number): Command {
  return { type: 'wait', key: `wait:${untilMs}`, untilMs };
}
