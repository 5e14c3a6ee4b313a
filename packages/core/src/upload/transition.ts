import { CosSliceError } from '../errors.ts';
import type { Answer } from '../protocol/operations.ts';
import type { Detours } from './detours.ts';
import { onFailed, PROBE_EVERY_MS } from './failing.ts';
import { onHashed, onRecalled, onSourceOpened } from './opening.ts';
import { noteTry, onSliceStarted, onStored } from './sending.ts';
import { type ActiveState, isOver, type UploadEvent, type UploadState } from './state.ts';
import { fail, send, succeed } from './steps.ts';

/**
 * The state after an event. Pure, and total: what does not concern a state leaves it as it is. `docs/upload.md` has the table.
 *
 * @param detours what to do when it does not go straight on. Without it the upload fails then
 */
export function transition(state: UploadState, event: UploadEvent, detours?: Detours): UploadState {
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
  return event.run === state.run ? onOutcome(state, event, detours) : state;
}

type Outcome = Extract<UploadEvent, { readonly run: number }>;

function onOutcome(state: ActiveState, event: Outcome, detours: Detours | undefined): UploadState {
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
    case 'summed':
      return { ...state, crc64: event.crc64 };
    case 'compared':
      return detours && state.step === 'send' ? detours.onCompared(state, event.slice, event.same) : state;
    case 'started':
      if (state.step !== 'send') return { ...state, running: true };
      return event.slice === undefined ? state : onSliceStarted(state, event.slice);
    case 'stopped':
      return noteTry(state, event.slice, { brokenOff: true, retryAtMs: 0 });
    case 'failed':
      return onFailed(state, event, detours);
    case 'replied': {
      // Whoever answers can be reached, whatever is said of the network.
      const well = isWell(state) ? state : { ...state, contacted: true, failures: 0, probeAtMs: undefined };
      return onReply(well, event, detours);
    }
  }
}

/** Nothing that a reply would mend. */
function isWell({ contacted, failures, probeAtMs }: ActiveState): boolean {
  return contacted && failures === 0 && probeAtMs === undefined;
}

function onReply(
  state: ActiveState,
  { slice, reply }: Outcome & { readonly type: 'replied' },
  detours: Detours | undefined,
): UploadState {
  const { step } = state;
  if (step === 'send' && slice === undefined) return state;
  if (step === 'init' && reply.kind === 'opened') {
    return send(state, { id: reply.session, serial: reply.serial, sha: state.sha }, reply.sliceSizeBytes);
  }
  if (step === 'send' && slice !== undefined && reply.kind === 'stored') return onStored(state, slice, reply);
  if ((step === 'send' || step === 'finish') && reply.kind === 'present') return succeed(state, reply);
  if (detours) return detours.onReply(state, reply);
  return fail(
    state,
    'error' in reply ? reply.error : new CosSliceError('conflict', `this path is taken (${reply.kind})`),
  );
}

/** Whether an answer leads straight on: what it means then, `transition` knows by itself. */
export function isStraight(step: ActiveState['step'], { kind }: Answer): boolean {
  if (kind === 'present') return step === 'send' || step === 'finish';
  return kind === 'stored' || kind === 'opened';
}
