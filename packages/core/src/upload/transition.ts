import { onFailed, PROBE_EVERY_MS } from './failing.ts';
import { onDiscardReply, onHashed, onInitReply, onListReply, onRecalled, onSourceOpened } from './opening.ts';
import { noteTry, onFinishReply, onSendReply, onSliceStarted } from './sending.ts';
import { type ActiveState, isOver, type UploadEvent, type UploadState } from './state.ts';
import { create, fail, list, succeed } from './steps.ts';
import type { Plain } from './when-taken.ts';

/**
 * The state after an event. Pure, and total: what does not concern a state leaves it as it is. `docs/upload.md` has the table.
 */
export function transition(state: UploadState, event: UploadEvent): UploadState {
  if (isOver(state)) return state;
  switch (event.type) {
    case 'paused':
      return state.pausedAtMs === undefined ? { ...state, pausedAtMs: event.nowMs } : state;
    case 'resumed':
      return state.pausedAtMs === undefined ? state : { ...state, pausedAtMs: undefined };
    case 'offline':
      return state.probeAtMs === undefined ? { ...state, probeAtMs: event.nowMs + PROBE_EVERY_MS } : state;
    case 'online':
      return state.probeAtMs === undefined ? state : { ...state, probeAtMs: undefined };
    case 'seated':
    case 'unseated':
      return state.seated === (event.type === 'seated') ? state : { ...state, seated: !state.seated };
    case 'cancelled':
      return { phase: 'cancelled', job: state.job, reason: event.reason, reached: state };
  }
  return event.run === state.run ? onOutcome(state, event) : state;
}

/** What is decided here, for what goes on from it. */
export const PLAIN: Plain = { transition, list, create, succeed, fail };

type Outcome = Extract<UploadEvent, { readonly run: number }>;

function onOutcome(state: ActiveState, event: Outcome): UploadState {
  switch (event.type) {
    case 'source-opened':
      return state.step === 'source' ? onSourceOpened(state, event) : state;
    case 'recalled':
      return state.step === 'recall' ? onRecalled(state, event) : state;
    case 'checkpointed':
      return state.step === 'hash' ? { ...state, checkpoint: event.checkpoint } : state;
    case 'hashed':
      // An upload of one request is hashed on its way out.
      if (state.step === 'send') return { ...state, sha: event.hash.sha };
      return state.step === 'hash' ? onHashed(state, event.hash) : state;
    case 'started':
      if (state.step !== 'send') return { ...state, running: true };
      return event.slice === undefined ? state : onSliceStarted(state, event.slice);
    case 'stopped':
      return noteTry(state, event.slice, { brokenOff: true, retryAtMs: 0 });
    case 'failed':
      return onFailed(state, event);
    case 'replied':
      // Whoever answers can be reached, whatever is said of the network.
      return onReply(isWell(state) ? state : { ...state, contacted: true, failures: 0, probeAtMs: undefined }, event);
  }
}

/** Nothing that a reply would mend. */
function isWell({ contacted, failures, probeAtMs }: ActiveState): boolean {
  return contacted && failures === 0 && probeAtMs === undefined;
}

function onReply(state: ActiveState, { slice, reply }: Outcome & { readonly type: 'replied' }): UploadState {
  switch (state.step) {
    case 'init':
      return onInitReply(state, reply);
    case 'list':
      return onListReply(state, reply);
    case 'discard':
      return onDiscardReply(state, reply);
    case 'send':
      return slice === undefined ? state : onSendReply(state, slice, reply);
    case 'finish':
      return onFinishReply(state, reply);
    default:
      return state;
  }
}
