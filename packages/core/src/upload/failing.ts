import type { CosSliceError } from '../errors.ts';
import { countTry, judge } from '../exchange/judge.ts';
import { lookAfterFinish, noteTry } from './sending.ts';
import type { ActiveState, Tries, UploadEvent, UploadState } from './state.ts';
import { fail, list } from './steps.ts';

/** Attempts of work that came to no end, as opposed to failing: something hangs, and will hang again. */
const STUCK_ATTEMPTS = 3;
/** While the network is said to be gone: between two looks whether it is. */
export const PROBE_EVERY_MS = 10_000;

/** An attempt has failed: again later, again with a fresh signature, by another way, or not at all. */
export function onFailed(before: ActiveState, event: UploadEvent & { readonly type: 'failed' }): UploadState {
  const { error, slice: index, nowMs, random, online } = event;
  const answered = error.wireCode !== undefined;
  const state: ActiveState = answered ? { ...before, contacted: true, probeAtMs: undefined } : before;
  const tries: Tries | undefined = state.phase === 'sending' ? state.active.find((one) => one.index === index) : state;
  if (!tries) return state;
  const { retry } = state.job;
  const stuck = error.phase !== undefined && error.code !== 'timeout';
  const policy = stuck ? { ...retry, attempts: Math.min(retry.attempts, STUCK_ATTEMPTS) } : retry;
  const trusted = 'session' in state && state.session !== undefined;
  // Requests with content have been answered once something is stored.
  const carried = state.phase === 'sending' ? state.stored.count > 0 : state.contacted;
  const verdict = judge(tries, error, policy, { contacted: state.contacted, carried, trusted, random });

  if (verdict.do === 'resign') return noteTry(state, index, { resigns: tries.resigns + 1, retryAtMs: nowMs });
  if (error.remedy === 'backoff' && !answered && !online) {
    // Without a network nothing was tried; but a request may have left while there still was one.
    return noteTry({ ...state, probeAtMs: nowMs + PROBE_EVERY_MS }, index, { brokenOff: true, retryAtMs: 0 });
  }
  if (verdict.do === 'repeat') {
    // At once, but not as fast as can be for ever.
    const pauseMs = tries.brokenOff ? retry.baseDelayMs : 0;
    return noteTry(state, index, { brokenOff: true, retryAtMs: nowMs + pauseMs });
  }
  const failures = state.failures + 1;
  if (verdict.do === 'give-up' || failures >= retry.attemptsPerUpload) return giveUp(state, tries, error);
  const retryAtMs = nowMs + verdict.afterMs;
  return noteTry({ ...state, failures }, index, { ...countTry(tries, error), retryAtMs });
}

/** Final, unless an object is in the way that may be our own: made by an attempt whose answer did not arrive. */
function giveUp(state: ActiveState, { attempt, brokenOff }: Tries, error: CosSliceError): UploadState {
  const unheard = attempt > 0 || brokenOff || state.initCalled;
  if (error.code !== 'exists' || !unheard) return fail(state, error);
  if (state.phase === 'finishing') return lookAfterFinish(state, error);
  // Without a SHA-1 on its way, init makes no object.
  const makesObjects = state.step === 'init' ? state.sha !== undefined : state.step === 'send' && !state.session;
  return makesObjects ? list(state, { for: 'claim', error }) : fail(state, error);
}
