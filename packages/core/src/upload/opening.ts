import { CONFLICT_HINT, CosSliceError } from '../errors.ts';
import type { FileHash } from '../ports.ts';
import type { Answer, Listed, Present } from '../protocol/operations.ts';
import type {
  ActiveState,
  Discarding,
  Hashing,
  Initiating,
  Job,
  Listing,
  Recalled,
  Recalling,
  UploadState,
  Waiting,
} from './state.ts';
import { clear, create, fail, hash, initiate, list, loseSession, recall, send, sendResumed, succeed } from './steps.ts';

export function onSourceOpened(
  state: Waiting,
  { sizeBytes, sliceSizeBytes }: Pick<Job, 'sizeBytes' | 'sliceSizeBytes'>,
): UploadState {
  return recall({ ...state, job: { ...state.job, sizeBytes, sliceSizeBytes } });
}

export function onRecalled(state: Recalling, recalled: Recalled): UploadState {
  const { session, sliceSizeBytes, sha, initCalled = false, finishing = false, foreignSession, checkpoint } = recalled;
  const known = { ...state, sha, initCalled, foreignSession };
  if (session === undefined) return create(known, checkpoint);
  return list(known, { for: 'resume', session, sliceSizeBytes, finishing });
}

export function onHashed(before: Hashing, content: FileHash): UploadState {
  const { inTheWay, sha } = before;
  // What an earlier run asked for is ours only if it was this content.
  const initCalled = before.initCalled && sha === content.sha;
  const state = { ...before, failures: 0, hash: content, sha: content.sha, initCalled };
  return inTheWay ? list(state, { for: 'claim', error: inTheWay }) : initiate(state);
}

/** A session, or the object that makes one unnecessary. */
export function onInitReply(state: Initiating, reply: Answer): UploadState {
  switch (reply.kind) {
    case 'opened':
      return send(state, { id: reply.session, serial: reply.serial, sha: state.sha }, reply.sliceSizeBytes, []);
    case 'unfinished':
      return list(state, { for: 'adopt' });
    case 'present':
      // An answer to init is about our content in any case, unless it says otherwise itself.
      return isOther(state, reply) ? initiate(state) : succeed(state, reply, true);
    case 'conflict':
      return clear(state, reply.error);
    default:
      return state;
  }
}

export function onListReply(state: Listing, reply: Answer): UploadState {
  switch (reply.kind) {
    case 'listed':
      return onListed(state, reply);
    case 'present':
      return onPresent(state, reply);
    case 'absent':
      return onNothing(state);
    case 'conflict':
      return clear(state, reply.error);
    default:
      return state;
  }
}

/** The session is gone, by our request or before it: what is there now, init tells. */
export function onDiscardReply(state: Discarding, reply: Answer): UploadState {
  if (reply.kind === 'conflict') return fail(state, reply.error);
  const gone = reply.kind === 'discarded' || reply.kind === 'absent';
  return gone ? create({ ...state, cleared: true }) : state;
}

function onListed(state: Listing, reply: Listed): UploadState {
  const { why, sha, foreignSession } = state;
  if (why.for === 'claim') return fail(state, why.error);
  if (why.for === 'conflict') return clear(state, why.error, reply);
  const proven = reply.sha !== undefined && reply.sha === sha;
  if (isOther(state, reply) || (reply.session === foreignSession && !proven)) {
    return clear(state, new CosSliceError('conflict', CONFLICT_HINT), reply);
  }
  // Not the session we left: only the server can tell whether it is about the same content, and init asks it.
  if (why.for === 'resume' && reply.session !== why.session && !proven) return create(state);
  // What is listed later on is this run's own work.
  const ownWork = why.for === 'finish' || why.for === 'loss' || state.lostAtBytes >= 0;
  const goOn = ownWork ? send : sendResumed;
  const session = { id: reply.session, serial: reply.serial, sha: reply.sha ?? sha };
  return goOn(state, session, reply.sliceSizeBytes, reply.stored);
}

function onPresent(state: Listing, reply: Present): UploadState {
  const { job, sha, why } = state;
  if (why.for === 'claim' && !sha && reply.sha) return hash(state, undefined, why.error);
  // A list also calls an older object present, or somebody else's. Proof that it is ours is its SHA-1; or that finish may have
  // been carried out, where nothing was there before.
  const proven = reply.sha !== undefined && reply.sha === sha;
  const finishCalled = why.for === 'finish' || (why.for === 'resume' && why.finishing);
  const believed = proven || (finishCalled && job.overwrite !== true);
  if (!believed || isOther(state, reply)) return onNothing(state);
  return succeed(state, reply, why.for === 'resume');
}

/** Nothing of ours is at the path. */
function onNothing(state: Listing): UploadState {
  const { why } = state;
  if (why.for === 'claim') return fail(state, why.error);
  if (why.for === 'finish' || why.for === 'loss') return loseSession(state, why.storedBytes, why.error);
  // What was in the way has left by itself.
  return create(why.for === 'conflict' ? { ...state, cleared: true } : state);
}

/** Certainly about other content. */
function isOther({ job, sha }: ActiveState, found: Pick<Present, 'sizeBytes' | 'sha'>): boolean {
  return differ(found.sizeBytes, job.sizeBytes) || differ(found.sha, sha);
}

/** Both are known, and not the same. */
function differ<T>(a: T | undefined, b: T | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}
