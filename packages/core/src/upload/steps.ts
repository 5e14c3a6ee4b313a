import { CosSliceError } from '../errors.ts';
import type { HashCheckpoint } from '../ports.ts';
import type { Present } from '../protocol/operations.ts';
import type { Found } from './listed.ts';
import { createSliceSet, nextMissing, sliceCount } from './slices.ts';
import {
  type ActiveState,
  type Done,
  type Failed,
  isSingle,
  type Sending,
  type Session,
  UNTRIED,
  type Underway,
  type UploadState,
  type Why,
} from './state.ts';

/** Of the opening, in a row. */
const MAX_ROUNDS = 8;

/** What only some steps have. */
type Own<State> = State extends unknown ? Exclude<keyof State, keyof Underway | 'phase' | 'step'> : never;
type Anything = Underway & { readonly [Name in Own<ActiveState>]?: unknown };

/** The state in another step, or in the same one anew: what is named here is the old step's own. */
function enter<Step extends Pick<ActiveState, 'phase' | 'step'>>(state: ActiveState, step: Step) {
  const {
    checkpoint,
    inTheWay,
    why,
    exact,
    ousted,
    layout,
    stored,
    tags,
    unproven,
    session,
    active,
    cursor,
    ...rest
  }: Anything = state;
  // Does not compile while something that only some steps have is not named above.
  const upload: Underway & { readonly [Name in Own<ActiveState>]?: never } = rest;
  return { ...upload, ...UNTRIED, run: state.run + 1, ...step };
}

// --- the opening

/** Looks what an earlier run has left; an upload of one request leaves nothing. */
export function recall(state: ActiveState): UploadState {
  return isSingle(state.job) ? sendSingle(state) : enter(state, { phase: 'opening', step: 'recall' });
}

/** Asks for a new session, hashing first where it needs that. */
export function create(state: ActiveState, checkpoint?: HashCheckpoint): UploadState {
  if (isSingle(state.job)) return sendSingle(state);
  return state.job.integrity === 'sha1' && !state.hash ? hash(state, checkpoint) : initiate(state);
}

export function hash(state: ActiveState, checkpoint?: HashCheckpoint, inTheWay?: CosSliceError): UploadState {
  return enter(state, { phase: 'hashing', step: 'hash', checkpoint, inTheWay });
}

export function initiate(state: ActiveState): UploadState {
  return nextRound(state, { phase: 'opening', step: 'init' });
}

export function list(state: ActiveState, why: Why): UploadState {
  return nextRound(state, { phase: 'opening', step: 'list', why });
}

export function discard(state: ActiveState, session: string, exact: boolean, ousted?: CosSliceError): UploadState {
  return nextRound(state, { phase: 'opening', step: 'discard', session, exact, ousted });
}

function nextRound<Step extends Pick<ActiveState, 'phase' | 'step'>>(state: ActiveState, step: Step) {
  if (state.rounds < MAX_ROUNDS) return { ...enter(state, step), rounds: state.rounds + 1 };
  const what = 'the server contradicts itself about the upload at this path: look at its log, then start again';
  return fail(state, new CosSliceError('bad-reply', what));
}

// --- sending and finishing

export function sendSingle(state: ActiveState): Sending {
  return sendFrom(state, Math.max(1, state.job.sizeBytes));
}

/** @param found what the session has already */
export function send(state: ActiveState, session: Session, sliceSizeBytes: number, found?: Found): UploadState {
  return finishIfComplete(sendFrom(state, sliceSizeBytes, session, found));
}

/** Like `send`, also where nothing is missing. */
export function sendFrom(state: ActiveState, sliceSizeBytes: number, session?: Session, found?: Found): Sending {
  const layout = { sizeBytes: state.job.sizeBytes, sliceSizeBytes };
  const known = found ?? { stored: createSliceSet(sliceCount(layout)) };
  const cursor = nextMissing(known.stored, 0);
  const opened = { ...state, rounds: 0, initCalled: false };
  return enter(opened, { phase: 'sending', step: 'send', layout, ...known, session, active: [], cursor });
}

export function finishIfComplete(state: Sending): UploadState {
  const { layout, stored, tags, unproven, session } = state;
  if (stored.count < stored.size || unproven?.length || !session) return state;
  return enter(state, { phase: 'finishing', step: 'finish', layout, stored, tags, session });
}

// --- the end

export function succeed(state: ActiveState, reply: Pick<Present, 'location' | 'sha'>, instant = false): Done {
  const { job, sha = reply.sha } = state;
  return { phase: 'done', job, location: reply.location, instant, sha, reached: state };
}

export function fail(state: ActiveState, error: CosSliceError): Failed {
  return { phase: 'failed', job: state.job, error, reached: state };
}
