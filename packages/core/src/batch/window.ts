import type { AttemptReport } from '../ports.ts';

/** Bounds of the adaptive window, in requests. Equal: a fixed number. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/**
 * How many requests to keep in flight, found by hill climbing: a round is one windowful of answers; as long as a wider
 * window carries more bytes per second it grows, when it no longer does it steps back and tries again later. Trouble
 * halves it, once per round.
 */
export interface Window extends Round {
  readonly bounds: Bounds;
  readonly limit: number;
  /** Bytes per ms of the last round before `limit` was raised; 0: unknown. */
  readonly rateBefore: number;
}

interface Round {
  readonly startedAtMs: number;
  readonly answers: number;
  readonly bytes: number;
  /** There was trouble already. */
  readonly cut: boolean;
  /** Doubling until growth stops paying. */
  readonly climbing: boolean;
  /** `limit` was raised for this round to see what it brings. */
  readonly probing: boolean;
  /** Rounds since growth last did not pay. */
  readonly settledRounds: number;
}

const START = 4;
/** A round counts as faster from here on; less is noise. */
const GAIN = 1.05;
const ROUNDS_BETWEEN_PROBES = 8;

export function createWindow(bounds: Bounds, nowMs: number): Window {
  return nextRound({ bounds, rateBefore: 0 }, nowMs, START, { climbing: true });
}

export function resizeWindow(window: Window, bounds: Bounds): Window {
  return { ...window, bounds, limit: clamp(window.limit, bounds), climbing: true };
}

/** Takes in how one attempt went. `inFlight`: attempts running when it ended, itself included. */
export function reportToWindow(window: Window, report: AttemptReport, inFlight: number, nowMs: number): Window {
  const { bounds, limit, rateBefore, climbing, probing, settledRounds } = window;
  if (report.outcome === 'neutral' || bounds.min === bounds.max) return window;
  const counted = { ...window, answers: window.answers + 1, bytes: window.bytes + report.bytes };
  if (report.outcome !== 'ok') {
    // What was in flight together fails together: one cut per round.
    return window.cut ? counted : nextRound(window, nowMs, Math.floor(limit / 2), { rateBefore: 0, cut: true });
  }
  if (counted.answers < limit) return counted;
  // A window that was not filled says nothing about a wider one.
  if (inFlight < limit) return nextRound(window, nowMs, limit, { climbing, probing, settledRounds });
  const rate = counted.bytes / Math.max(1, nowMs - window.startedAtMs);
  const pays = rate > rateBefore * GAIN;
  if (probing && !pays) return nextRound(window, nowMs, limit - 1);
  if (limit === bounds.max) return nextRound(window, nowMs, limit);
  if (climbing && pays) return nextRound(window, nowMs, limit * 2, { rateBefore: rate, climbing });
  if (pays || settledRounds + 1 >= ROUNDS_BETWEEN_PROBES) {
    return nextRound(window, nowMs, limit + 1, { rateBefore: rate, probing: true });
  }
  return nextRound(window, nowMs, limit, { settledRounds: settledRounds + 1 });
}

function nextRound(
  { bounds, rateBefore }: Pick<Window, 'bounds' | 'rateBefore'>,
  startedAtMs: number,
  limit: number,
  change: Partial<Window> = {},
): Window {
  return {
    bounds,
    rateBefore,
    startedAtMs,
    answers: 0,
    bytes: 0,
    cut: false,
    climbing: false,
    probing: false,
    settledRounds: 0,
    ...change,
    limit: clamp(limit, bounds),
  };
}

function clamp(limit: number, bounds: Bounds): number {
  return Math.max(bounds.min, Math.min(bounds.max, limit));
}
