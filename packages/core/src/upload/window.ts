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
export interface Window {
  readonly bounds: Bounds;
  readonly limit: number;
  /** Bytes per ms of the last round before `limit` was raised; 0: unknown. */
  readonly rateBefore: number;
  /** Doubling until growth stops paying. */
  readonly climbing: boolean;
  /** `limit` was raised for this round to see what it brings. */
  readonly probing: boolean;
  /** Rounds since growth last did not pay. */
  readonly settledRounds: number;
  readonly round: {
    readonly answers: number;
    readonly bytes: number;
    readonly startedAtMs: number;
    readonly cut: boolean;
  };
}

const START = 4;
/** A round counts as faster from here on; less is noise. */
const GAIN = 1.05;
const ROUNDS_BETWEEN_PROBES = 8;

export function createWindow(bounds: Bounds, nowMs: number): Window {
  return {
    bounds,
    limit: clamp(START, bounds),
    rateBefore: 0,
    climbing: true,
    probing: false,
    settledRounds: 0,
    round: freshRound(nowMs),
  };
}

export function resizeWindow(window: Window, bounds: Bounds): Window {
  return { ...window, bounds, limit: clamp(window.limit, bounds), climbing: true };
}

/** Takes in how one attempt went. `inFlight`: attempts running when it ended, itself included. */
export function reportToWindow(window: Window, report: AttemptReport, inFlight: number, nowMs: number): Window {
  const { min, max } = window.bounds;
  if (report.outcome === 'neutral' || min === max) return window;
  const round = { ...window.round, answers: window.round.answers + 1, bytes: window.round.bytes + report.bytes };
  if (report.outcome !== 'ok') {
    // What was in flight together fails together: one cut per round.
    if (round.cut) return { ...window, round };
    return {
      ...window,
      limit: clamp(Math.floor(window.limit / 2), window.bounds),
      rateBefore: 0,
      climbing: false,
      probing: false,
      settledRounds: 0,
      round: { ...freshRound(nowMs), cut: true },
    };
  }
  if (round.answers < window.limit) return { ...window, round };
  // A window that was not filled says nothing about a wider one.
  if (inFlight < window.limit) return { ...window, round: freshRound(nowMs) };
  return endRound({ ...window, round }, nowMs);
}

function endRound(window: Window, nowMs: number): Window {
  const rate = window.round.bytes / Math.max(1, nowMs - window.round.startedAtMs);
  const next = { ...window, round: freshRound(nowMs) };
  const pays = rate > window.rateBefore * GAIN;
  if (window.probing && !pays) {
    return { ...next, limit: clamp(window.limit - 1, window.bounds), probing: false, settledRounds: 0 };
  }
  if (window.limit === window.bounds.max) return { ...next, climbing: false, probing: false };
  if (window.climbing && pays) {
    return { ...next, limit: clamp(window.limit * 2, window.bounds), rateBefore: rate };
  }
  if (pays || window.settledRounds + 1 >= ROUNDS_BETWEEN_PROBES) {
    return { ...next, limit: clamp(window.limit + 1, window.bounds), rateBefore: rate, climbing: false, probing: true };
  }
  return { ...next, climbing: false, probing: false, settledRounds: window.settledRounds + 1 };
}

function freshRound(nowMs: number): Window['round'] {
  return { answers: 0, bytes: 0, startedAtMs: nowMs, cut: false };
}

function clamp(limit: number, bounds: Bounds): number {
  return Math.max(bounds.min, Math.min(bounds.max, limit));
}
