import { CosSliceError } from '../errors.ts';
import type { Outcome } from '../exchange/exchange.ts';
import type { Source } from '../ports.ts';
import type { Answer, Listed, Opened, Operation, OperationName, Present } from '../protocol/operations.ts';
import { CONFLICT_HINT } from '../protocol/responses.ts';
import { sliceSizeFor } from '../protocol/wire.ts';
import { type Found, type Known, provenIn, readListed } from './listed.ts';
import type { Command, Task } from './plan.ts';
import { provenTags } from './proven.ts';
import { compare, onCompared, type Proving, planProofs } from './proving.ts';
import { bytesIn } from './slices.ts';
import type {
  ActiveState,
  Discarding,
  Finishing,
  Initiating,
  Listing,
  Sending,
  Session,
  Tries,
  UploadEvent,
  UploadState,
  Why,
} from './state.ts';
import {
  create,
  discard,
  fail,
  finishIfComplete,
  hash,
  initiate,
  list,
  recall,
  send,
  sendFrom,
  succeed,
} from './steps.ts';

/**
 * What an upload does when it does not lead straight from init over slices to finish: where something is in its way, was there
 * before, or got lost. Apart from `transition`, so that pages load it only when it comes to it.
 */
export interface Detours {
  /** The state after an answer that leads elsewhere. */
  onReply(state: ActiveState, reply: Answer): UploadState;
  /** The state after something has failed for good: perhaps because of an object in the way, or of bodies that are too large. */
  onGivenUp(state: ActiveState, tries: Tries, error: CosSliceError): UploadState;
  /** Tells the source which of its bytes a list says are stored: answers get lost. */
  heed(source: Pick<Source<unknown>, 'stored'>, state: UploadState, reply: Answer): void;
  /** What should be running now beside what `plan` says: comparisons of slices that are listed with the source. */
  plan(state: UploadState): Command[];
  compare<C>(
    task: Extract<Task, { readonly type: 'compare' }>,
    controller: AbortController,
    proving: Proving<C>,
  ): Promise<UploadEvent>;
  onCompared(state: Sending, slice: number, same: boolean): UploadState;
  /** Removes one session. A server that would remove whatever is at the path is asked what that is, as late as can be. */
  discard(task: Pick<Discarding, 'session' | 'exact'>, ask: Ask): Promise<Outcome>;
}

/** Makes one attempt of an operation. `beforeSend` as in `AttemptContext`. */
export type Ask = <Op extends OperationName>(
  operation: Operation<never, Op>,
  beforeSend?: () => Promise<void>,
) => Promise<Outcome<Op>>;

/** The session that was to be discarded is not there any more. */
const GONE = Symbol('gone');

export const detours: Detours = {
  onReply(state, reply) {
    switch (state.step) {
      case 'init':
        return onInitReply(state, reply);
      case 'list':
        return onListReply(state, reply);
      case 'discard':
        return onDiscardReply(state, reply);
      case 'send':
        return onSendReply(state, reply);
      case 'finish':
        return onFinishReply(state, reply);
      default:
        return state;
    }
  },
  onGivenUp(state, tries, error) {
    if (error.code === 'exists') return onExists(state, tries, error);
    if (error.httpStatus === 413 && state.phase === 'sending') return onTooLarge(state, error);
    // What is in no way may stay, where it may not be removed.
    if (state.step === 'discard' && state.job.hidesSessions) return create(state);
    // Where the session with the larger slices cannot be removed, its slices are what stands in the way.
    return fail(state, (state.step === 'discard' && state.tooLarge) || error);
  },
  heed(source, state, reply) {
    if (reply.kind !== 'listed') return;
    for (const range of provenIn(knownOf(state, reply), reply.stored)) source.stored?.(range);
  },
  plan: planProofs,
  compare,
  onCompared,
  async discard({ session, exact }, ask) {
    const look = async (): Promise<void> => {
      const { reply: found } = await ask({ op: 'list', session });
      if (found.kind !== 'listed' || found.session !== session) throw GONE;
    };
    try {
      return await ask({ op: 'discard', session }, exact ? undefined : look);
    } catch (error) {
      if (error === GONE) return { reply: { kind: 'absent' }, slow: false };
      throw error;
    }
  },
};

/** Final, unless the object may be our own: made by an attempt whose answer did not arrive. */
function onExists(state: ActiveState, { attempt, brokenOff }: Tries, error: CosSliceError): UploadState {
  const isFirst = attempt === 0 && !brokenOff && !state.initCalled;
  if (state.phase === 'finishing') {
    // Browsers and proxies send a request again by themselves, too: the object may say that our session has made it.
    const { session, layout } = state;
    const claim = { for: 'claim', error, session: session.id, sliceSizeBytes: layout.sliceSizeBytes } as const;
    return isFirst ? list(state, claim) : lookAfterFinish(state, error);
  }
  if (isFirst) return fail(state, error);
  // Without a SHA-1 on its way, init makes no object.
  const makesObjects = state.step === 'init' ? state.sha !== undefined : state.step === 'send' && !state.session;
  return makesObjects ? list(state, { for: 'claim', error }) : fail(state, error);
}

/** With the fields around them these go through proxies that take 1 MiB, as nginx does where nobody has set it. */
const SMALL_SLICE_BYTES = 512 * 1024;

/**
 * A proxy on the way takes no bodies of this size, whatever the server takes. A session keeps its slice size, so it makes room
 * for one with smaller slices: once, since where the server says how large slices are it may insist.
 */
function onTooLarge(state: Sending, error: CosSliceError): UploadState {
  const { job, layout, session, tooLarge } = state;
  if (tooLarge || !job.sizes) return fail(state, error);
  const smallBytes = Math.max(job.sizes.sliceSize.min, SMALL_SLICE_BYTES);
  const sliceSizeBytes = sliceSizeFor(job.sizes, job.sizeBytes, Math.min(job.sliceSizeBytes, smallBytes));
  if (sliceSizeBytes >= Math.min(layout.sliceSizeBytes, job.sizeBytes)) return fail(state, error);
  const smaller = { ...job, sliceSizeBytes, singleMaxBytes: -1 };
  // The parts of a hash are those of the larger slices.
  const next = { ...state, job: smaller, tooLarge: error, hash: undefined, resumedBytes: 0, resumed: undefined };
  return session ? discard(next, session.id, false) : recall(next);
}

// --- init

function onInitReply(state: Initiating, reply: Answer): UploadState {
  switch (reply.kind) {
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

// --- what is at the path

function onListReply(state: Listing, reply: Answer): UploadState {
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
function onDiscardReply(state: Discarding, reply: Answer): UploadState {
  if (reply.kind === 'conflict') return fail(state, reply.error);
  const gone = reply.kind === 'discarded' || reply.kind === 'absent';
  return gone ? create({ ...state, cleared: true }) : state;
}

function onListed(state: Listing, reply: Listed): UploadState {
  const { why, sha, foreignSession } = state;
  if (why.for === 'claim') return fail(state, why.error);
  if (why.for === 'conflict') return clear(state, why.error, reply);
  const proven = reply.sha !== undefined && reply.sha === sha;
  // A server that tells its sessions apart tells their SHA-1, too: one without has taken the place of ours since.
  const isTaken = why.for === 'adopt' && sha !== undefined && reply.sessionDelete === true && !proven;
  if (isTaken || isOther(state, reply) || (reply.session === foreignSession && !proven)) {
    return clear(state, new CosSliceError('conflict', CONFLICT_HINT), reply);
  }
  // Not the session we left, but one that somebody has opened since: only the server can tell whether it is about the same
  // content, and init asks it.
  if ('session' in why && reply.session !== why.session && !proven) return onNothing(state);
  // What is listed later on is this run's own work.
  const ownWork = why.for === 'finish' || why.for === 'loss' || state.lostAtBytes >= 0;
  const goOn = ownWork ? send : sendResumed;
  const session = { id: reply.session, serial: reply.serial, sha: reply.sha ?? sha };
  const { sliceSizeBytes } = reply;
  const found = readListed(knownOf(state, reply), reply.stored);
  return goOn(state, session, sliceSizeBytes, found);
}

function knownOf(state: UploadState, { sliceSizeBytes }: Listed): Known {
  const { sizeBytes, integrity } = state.job;
  const { proven } = { proven: undefined, ...('why' in state ? state.why : {}) };
  return { sizeBytes, sliceSizeBytes, integrity, proven };
}

/** Like `send`, with what an earlier run had stored. */
function sendResumed(state: ActiveState, session: Session, sliceSizeBytes: number, found: Found): UploadState {
  const next = sendFrom(state, sliceSizeBytes, session, found);
  const { layout, stored } = next;
  return finishIfComplete({ ...next, resumed: stored, resumedBytes: bytesIn(layout, stored) });
}

function onPresent(state: Listing, reply: Present): UploadState {
  const { job, sha, why } = state;
  if (why.for === 'claim' && why.session === undefined && !sha && reply.sha) return hash(state, undefined, why.error);
  // A list also calls an older object present, or somebody else's. Proof that it is ours is its SHA-1, or that it was made by
  // our session. Where nobody tells that, finish may have been carried out, if nothing was there before.
  const proven = reply.sha !== undefined && reply.sha === sha;
  const finishCalled = why.for === 'finish' || (why.for === 'resume' && why.finishing);
  const isMade = reply.madeBy === undefined ? finishCalled && job.overwrite !== true : isOfSession(why, reply.madeBy);
  const believed = proven || isMade;
  if (!believed || isOther(state, reply)) return onNothing(state);
  return succeed(state, reply, why.for === 'resume');
}

function isOfSession(why: Why, session: string): boolean {
  return 'session' in why && why.session === session;
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

/**
 * An upload that is not ours to go on with is in the way. One that we have left behind ourselves is in nobody else's way.
 *
 * @param found which upload it is, once that is known
 */
function clear(
  state: ActiveState,
  error: CosSliceError,
  found?: Pick<Opened, 'session' | 'sessionDelete'>,
): UploadState {
  const { job, cleared, foreignSession } = state;
  const mayBeOurs = foreignSession !== undefined && (!found || found.session === foreignSession);
  if (cleared || !(mayBeOurs || job.onConflict === 'restart')) return fail(state, error);
  if (!found) return list(state, { for: 'conflict', error });
  const { session, sessionDelete: exact = false } = found;
  return discard(state, session, exact);
}

// --- what got lost

function onSendReply(state: Sending, reply: Answer): UploadState {
  if (reply.kind === 'session-gone') return onSessionGone(state, reply.error);
  return reply.kind === 'conflict' ? clear(state, reply.error) : state;
}

function onSessionGone(state: Sending, error: CosSliceError): UploadState {
  const { layout, stored, active, session } = state;
  const storedBytes = bytesIn(layout, stored);
  const unheard = active.filter(({ attempt, brokenOff }) => attempt > 0 || brokenOff).length;
  // Every slice that is missing may have arrived, and the last of them may have completed the object: the list tells.
  if (!session || stored.count + unheard < stored.size) return loseSession(state, storedBytes, error);
  const { sliceSizeBytes } = layout;
  return list(state, {
    for: 'loss',
    session: session.id,
    sliceSizeBytes,
    storedBytes,
    error,
    proven: provenTags(state),
  });
}

/** Times that finish may be refused although nothing is missing. */
const MAX_REFUSALS = 3;

function onFinishReply(state: Finishing, reply: Answer): UploadState {
  switch (reply.kind) {
    case 'conflict':
      return clear(state, reply.error);
    case 'session-gone':
      return onGoneAtFinish(state, reply.error);
    case 'incomplete': {
      const refusals = state.refusals + 1;
      return refusals > MAX_REFUSALS ? fail(state, reply.error) : lookAfterFinish({ ...state, refusals }, reply.error);
    }
    default:
      return state;
  }
}

/** Also what a server says that had finished, and whose answer was lost. */
function onGoneAtFinish(state: Finishing, error: CosSliceError): UploadState {
  if (state.attempt > 0 || state.brokenOff) return lookAfterFinish(state, error);
  // Browsers and proxies send a request again by themselves, too: then only what proves to be ours counts.
  const refusals = state.refusals + 1;
  if (refusals > MAX_REFUSALS) return loseSession(state, state.job.sizeBytes, error);
  return lookAfterFinish({ ...state, refusals }, error, 'loss');
}

/** What has become of the upload: complete, lacking slices, or gone. */
function lookAfterFinish(state: Finishing, error: CosSliceError, why: 'finish' | 'loss' = 'finish'): UploadState {
  const { session, layout, job } = state;
  const { sliceSizeBytes } = layout;
  const storedBytes = job.sizeBytes;
  const proven = provenTags(state);
  return list(state, { for: why, session: session.id, sliceSizeBytes, storedBytes, error, proven });
}

/** Back to a new session: once, and again only after more had been stored than the time before. */
function loseSession(state: ActiveState, storedBytes: number, cause: CosSliceError): UploadState {
  if (storedBytes > state.lostAtBytes) return create({ ...state, lostAtBytes: storedBytes });
  const what =
    'the server keeps losing the upload, or another upload to this path keeps taking its place: look at its log, then start again';
  return fail(state, new CosSliceError('session-lost', what, { cause }));
}
