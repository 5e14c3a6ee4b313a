import { countTry, judge } from '../exchange/judge.ts';
import type { Detours } from './detours.ts';
import { noteTry } from './sending.ts';
import { type ActiveState, isLocal, type Tries, type UploadEvent, type UploadState } from './state.ts';
import { fail } from './steps.ts';

/** While the network is said to be gone: between two looks whether it is. */
export const PROBE_EVERY_MS = 10_000;

const LOCAL_PAUSE_MS = 1_000;

/** An attempt has failed: again later, again with a fresh signature, by another way, or not at all. */
export function onFailed(
  before: ActiveState,
  event: UploadEvent & { readonly type: 'failed' },
  detours: Detours | undefined,
): UploadState {
  const { error, slice: index, nowMs, random, online } = event;
  const answered = error.wireCode !== undefined;
  const state: ActiveState = answered ? { ...before, contacted: true, probeAtMs: undefined } : before;
  const tries: Tries | undefined = state.phase === 'sending' ? state.active.find((one) => one.index === index) : state;
  if (!tries) return state;
  const { retry } = state.job;
  const trusted = 'session' in state && state.session !== undefined;
  // Requests with content have been answered once something is stored.
  const carried = state.phase === 'sending' ? state.stored.count > 0 : state.contacted;
  const verdict = judge(tries, error, retry, { contacted: state.contacted, carried, trusted, random });

  if (verdict.do === 'resign') return noteTry(state, index, { resigns: tries.resigns + 1, retryAtMs: nowMs });
  if (error.remedy === 'backoff' && !answered && !online && !error.reached) {
    // Without a network nothing was tried; but a request may have left while there still was one.
    // What asks nothing of the network goes on at once, but not as fast as can be.
    const retryAtMs = isLocal(state) ? nowMs + LOCAL_PAUSE_MS : 0;
    return noteTry({ ...state, probeAtMs: nowMs + PROBE_EVERY_MS }, index, { brokenOff: true, retryAtMs });
  }
  if (verdict.do === 'repeat') {
    // At once, but not as fast as can be for ever.
    const pauseMs = tries.brokenOff ? retry.baseDelayMs : 0;
    return noteTry(state, index, { brokenOff: true, retryAtMs: nowMs + pauseMs });
  }
  const failures = state.failures + 1;
  if (verdict.do === 'give-up' || failures >= retry.attemptsPerUpload) {
    return detours ? detours.onGivenUp(state, tries, error) : fail(state, error);
  }
  const retryAtMs = nowMs + verdict.afterMs;
  return noteTry({ ...state, failures }, index, { ...countTry(tries, error), retryAtMs });
}
