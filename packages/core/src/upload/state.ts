import { CONFLICT_HINT, CosSliceError } from '../errors.ts';
import { judge } from '../exchange/judge.ts';
import type { RetryOptions } from '../options/options.ts';
import type { ByteRange, FileHash, HashCheckpoint } from '../ports.ts';
import type { Answer, ObjectLocation } from '../protocol/operations.ts';
import type { Integrity } from '../protocol/wire.ts';
import { addSlice, bytesIn, hasSlice, type Layout, nextMissing, type SliceSet, slicesWithin } from './slices.ts';

/** What is to be done, fixed for the upload's life. */
export interface Job {
  readonly sizeBytes: number;
  /** Bytes to ask the server for; its answer wins. */
  readonly sliceSizeBytes: number;
  /** One request, no session. */
  readonly single: boolean;
  readonly integrity: Integrity;
  readonly overwrite: boolean;
  readonly onConflict: 'error' | 'restart';
  readonly retry: Required<RetryOptions>;
}

/** How often something was tried, and when it may be tried again. */
export interface Tries {
  /** Failed attempts. */
  readonly attempt: number;
  /** An attempt was broken off, and the server may have acted on it. */
  readonly brokenOff: boolean;
  readonly resigns: number;
  /** Epoch ms. */
  readonly retryAtMs: number;
}

export const UNTRIED: Tries = { attempt: 0, brokenOff: false, resigns: 0, retryAtMs: 0 };

/** What every phase before the end carries; the tries are those of the phase's own request (hash, list, init, finish). */
interface Underway extends Tries {
  readonly job: Job;
  readonly paused: boolean;
  readonly online: boolean;
  /** Counts sessions and listings: outcomes of an earlier run's requests say nothing about this one. */
  readonly run: number;
  /** Failed attempts in a row, over all requests, since something last succeeded. */
  readonly failures: number;
  /** The server has answered in its protocol at least once. */
  readonly contacted: boolean;
  readonly hash?: FileHash | undefined;
  /** SHA-1 of the content, from hashing or from an earlier run's record. */
  readonly sha?: string | undefined;
  /** Bytes that an earlier run had stored. */
  readonly resumedBytes: number;
  /** A session that an earlier upload of ours has left behind, and that this one cannot go on with, as the record tells. */
  readonly foreignSession?: string | undefined;
  /** Bytes stored when a session was last lost, or -1; the next loss is forgiven only beyond that. */
  readonly lostAtBytes: number;
  readonly discarded: boolean;
  /** Times that finish was refused. */
  readonly refusals: number;
}

/** Before the first slice: find out what the server has. */
interface Opening extends Underway {
  readonly phase: 'opening';
  readonly step: 'recall' | 'list' | 'init' | 'discard';
  /** Why the list is asked for. */
  readonly cause: 'record' | 'unfinished' | 'finish' | 'exists' | 'conflict';
  /** An earlier run called finish. */
  readonly finishing: boolean;
  /** The session of an earlier run, while `cause` is `record`. */
  readonly recordedSession?: string | undefined;
  /** What to fail with if the list does not explain it. */
  readonly pending?: CosSliceError | undefined;
  /** `init` and `list` contradict each other only so often. */
  readonly rounds: number;
}

interface Hashing extends Underway {
  readonly phase: 'hashing';
  readonly checkpoint?: HashCheckpoint | undefined;
  /** What to fail with if the hash does not tell that the object at the path is ours. */
  readonly pending?: CosSliceError | undefined;
}

/** A slice that has been started and is not stored: in flight, or waiting for its next attempt. */
export interface ActiveSlice extends Tries {
  readonly index: number;
  readonly running: boolean;
}

export interface Session {
  readonly id: string;
  readonly serial: boolean;
  /** The session was opened with this SHA-1: finish must bring it. */
  readonly sha?: string | undefined;
}

interface WithSlices extends Underway {
  readonly layout: Layout;
  readonly stored: SliceSet;
  /** Absent in a single-request upload. */
  readonly session?: Session | undefined;
}

export interface Sending extends WithSlices {
  readonly phase: 'sending';
  readonly active: readonly ActiveSlice[];
  /** Every slice before it is stored or active. */
  readonly cursor: number;
}

interface Finishing extends WithSlices {
  readonly phase: 'finishing';
  readonly session: Session;
}

export interface Done {
  readonly phase: 'done';
  readonly job: Job;
  readonly location: ObjectLocation;
  readonly instant: boolean;
  readonly resumedBytes: number;
  readonly sha?: string | undefined;
}

export interface Failed {
  readonly phase: 'failed';
  readonly job: Job;
  readonly error: CosSliceError;
}

export interface Cancelled {
  readonly phase: 'cancelled';
  readonly job: Job;
  readonly reason: unknown;
}

export type ActiveState = Opening | Hashing | Sending | Finishing;
export type UploadState = ActiveState | Done | Failed | Cancelled;

/** Something that has become known. `run` and `slice` say which command's outcome it is. */
export type UploadEvent =
  | {
      readonly type: 'recalled';
      readonly run: number;
      readonly session?: string | undefined;
      readonly sha?: string | undefined;
      readonly finishing?: boolean | undefined;
      readonly foreignSession?: string | undefined;
      readonly checkpoint?: HashCheckpoint | undefined;
    }
  | { readonly type: 'hashed'; readonly run: number; readonly hash: FileHash }
  | { readonly type: 'checkpointed'; readonly run: number; readonly checkpoint: HashCheckpoint }
  /** A slice got its place. */
  | { readonly type: 'started'; readonly run: number; readonly slice: number }
  /** An attempt was aborted because it was no longer planned. */
  | { readonly type: 'stopped'; readonly run: number; readonly slice?: number | undefined }
  | { readonly type: 'replied'; readonly run: number; readonly slice?: number | undefined; readonly reply: Answer }
  | {
      readonly type: 'failed';
      readonly run: number;
      readonly slice?: number | undefined;
      readonly error: CosSliceError;
      readonly nowMs: number;
      /** In [0, 1), for jitter. */
      readonly random: number;
    }
  | { readonly type: 'paused' | 'resumed' | 'online' | 'offline' }
  | { readonly type: 'cancelled'; readonly reason: unknown };

const OPENING_ROUNDS = 8;
const FINISH_REFUSALS = 3;

export function initialState(
  job: Job,
  { paused = false, online = true }: { readonly paused?: boolean; readonly online?: boolean } = {},
): UploadState {
  const start: Opening = {
    phase: 'opening',
    step: 'recall',
    cause: 'record',
    finishing: false,
    rounds: 0,
    job,
    paused,
    online,
    run: 0,
    ...UNTRIED,
    failures: 0,
    contacted: false,
    resumedBytes: 0,
    lostAtBytes: -1,
    discarded: false,
    refusals: 0,
  };
  return job.single ? sendSingle(start) : start;
}

export function isOver(state: UploadState): state is Done | Failed | Cancelled {
  return state.phase === 'done' || state.phase === 'failed' || state.phase === 'cancelled';
}

/** The state after an event. Total: what does not concern a state leaves it as it is. */
export function transition(state: UploadState, event: UploadEvent): UploadState {
  if (isOver(state)) return state;
  switch (event.type) {
    case 'paused':
    case 'resumed':
      return state.paused === (event.type === 'paused') ? state : { ...state, paused: !state.paused };
    case 'online':
    case 'offline':
      return state.online === (event.type === 'online') ? state : { ...state, online: !state.online };
    case 'cancelled':
      return { phase: 'cancelled', job: state.job, reason: event.reason };
  }
  if (event.run !== state.run) return state;
  switch (event.type) {
    case 'recalled':
      return state.phase === 'opening' && state.step === 'recall' ? onRecalled(state, event) : state;
    case 'checkpointed':
      return state.phase === 'hashing' ? { ...state, checkpoint: event.checkpoint } : state;
    case 'hashed':
      // A single request is hashed on its way out.
      if (state.phase === 'sending') return { ...state, sha: event.hash.sha };
      return state.phase === 'hashing' ? onHashed(state, event.hash) : state;
    case 'started':
      return state.phase === 'sending' ? onStarted(state, event.slice) : state;
    case 'stopped':
      return noteTry(state, event.slice, { brokenOff: true, retryAtMs: 0 });
    case 'replied':
      return onReplied({ ...state, contacted: true, failures: 0 }, event.slice, event.reply);
    case 'failed':
      return onFailed(state, event);
  }
}

// --- opening

function onRecalled(state: Opening, event: UploadEvent & { type: 'recalled' }): UploadState {
  const { session, sha, foreignSession, finishing = false, checkpoint } = event;
  const known = { ...state, sha, foreignSession, finishing };
  if (session === undefined) return create(known, checkpoint);
  return { ...open(known, 'list', 'record'), recordedSession: session } as Opening;
}

function onHashed(before: Hashing, hash: FileHash): UploadState {
  const state = { ...before, failures: 0, hash, sha: hash.sha };
  return before.pending ? open(state, 'list', 'exists', before.pending) : open(state, 'init');
}

/** Asks for a new session, hashing first where it needs that. */
function create(state: ActiveState, checkpoint?: HashCheckpoint): UploadState {
  if (state.job.single) return sendSingle(state);
  if (state.job.integrity !== 'sha1' || state.hash) return open(state, 'init');
  return enter(state, { phase: 'hashing', checkpoint });
}

function open(
  state: ActiveState,
  step: Opening['step'],
  cause: Opening['cause'] = 'unfinished',
  pending?: CosSliceError,
): UploadState {
  const { rounds, finishing } = state.phase === 'opening' ? state : { rounds: -1, finishing: false };
  if (rounds >= OPENING_ROUNDS) {
    const what = 'the server calls the upload unfinished but does not list it';
    return fail(state, new CosSliceError('bad-reply', what));
  }
  return enter(state, { phase: 'opening', step, cause, rounds: rounds + 1, finishing, pending });
}

function onOpeningReply(state: Opening, reply: Answer): UploadState {
  switch (reply.kind) {
    case 'opened':
      return startSending(state, reply, state.sha, false);
    case 'listed':
      return onListed(state, reply);
    case 'present':
      return onPresent(state, reply);
    case 'unfinished':
      return open(state, 'list');
    case 'absent':
      return onNothing(state);
    case 'discarded':
      return create({ ...state, discarded: true });
    default:
      return state;
  }
}

function onListed(state: Opening, reply: Answer & { kind: 'listed' }): UploadState {
  const { job, cause, pending, sha } = state;
  if (cause === 'exists' && pending) return fail(state, pending);
  if (cause === 'conflict' && pending) return onConflict(state, pending, reply.session);
  const other = differ(reply.sizeBytes, job.sizeBytes) || differ(reply.sha, sha);
  const proven = reply.sha !== undefined && reply.sha === sha;
  if (other || (reply.session === state.foreignSession && !proven)) {
    return onConflict(state, new CosSliceError('conflict', CONFLICT_HINT), reply.session);
  }
  // Not the session we left: only the server can tell whether it is about the same content, and init asks it.
  if (cause === 'record' && reply.session !== state.recordedSession && !proven) return create(state);
  // What is listed later on is this run's own work.
  const resumed = cause !== 'finish' && state.lostAtBytes < 0;
  return startSending(state, reply, reply.sha ?? sha, resumed);
}

function onPresent(state: Opening, reply: Answer & { kind: 'present' }): UploadState {
  const { job, sha, step, cause, pending } = state;
  if (cause === 'exists' && !sha && reply.sha) return enter(state, { phase: 'hashing', pending });
  // A list also calls an older object present, or somebody else's. Proof that it is ours is its SHA-1; or that finish may have
  // been carried out, where nothing was there before. An answer to init is about our content in any case.
  const ours = reply.sha !== undefined && reply.sha === sha;
  const finishCalled = state.finishing || cause === 'finish';
  const believed = step === 'init' || ours || (finishCalled && !job.overwrite);
  if (!believed || differ(reply.sizeBytes, job.sizeBytes) || differ(reply.sha, sha)) return onNothing(state);
  return finish(state, reply, cause === 'record' || step === 'init');
}

/** Nothing of ours is at the path. */
function onNothing(state: Opening): UploadState {
  const { cause, pending } = state;
  if (cause === 'exists' && pending) return fail(state, pending);
  return cause === 'finish' ? loseSession(state, state.job.sizeBytes, pending) : create(state);
}

/** @param listed the session that is in the way, once that is known */
function onConflict(state: ActiveState, error: CosSliceError, listed?: string): UploadState {
  const { job, discarded, foreignSession } = state;
  if (discarded) return fail(state, error);
  // What we have left behind ourselves is in nobody else's way.
  if (job.onConflict === 'restart' || (listed && listed === foreignSession)) return open(state, 'discard');
  return foreignSession && !listed ? open(state, 'list', 'conflict', error) : fail(state, error);
}

// --- sending

function startSending(
  state: Opening,
  reply: Answer & { kind: 'opened' | 'listed' },
  sha: string | undefined,
  resumes: boolean,
): UploadState {
  const session = { id: reply.session, serial: reply.serial, sha };
  const next = send(state, reply.sliceSizeBytes, reply.kind === 'listed' ? reply.stored : [], session);
  return finishIfComplete(resumes ? { ...next, resumedBytes: bytesIn(next.layout, next.stored) } : next);
}

function sendSingle(state: ActiveState): UploadState {
  return send(state, Math.max(1, state.job.sizeBytes), []);
}

function send(state: ActiveState, sliceSizeBytes: number, listed: readonly ByteRange[], session?: Session): Sending {
  const layout = { sizeBytes: state.job.sizeBytes, sliceSizeBytes };
  const stored = slicesWithin(layout, listed);
  return enter(state, { phase: 'sending', layout, stored, session, active: [], cursor: nextMissing(stored, 0) });
}

function onStarted(state: Sending, index: number): UploadState {
  const { active, cursor, stored } = state;
  if (active.some((slice) => slice.index === index)) return noteTry(state, index, { running: true });
  if (index < cursor || index >= stored.size || hasSlice(stored, index)) return state;
  // Slices are started in order, but they may get their places out of order: the ones passed over become active too.
  const more: ActiveSlice[] = [];
  for (let at = cursor; at <= index; at = nextMissing(stored, at + 1)) {
    more.push({ index: at, running: at === index, ...UNTRIED });
  }
  return { ...state, active: [...active, ...more], cursor: nextMissing(stored, index + 1) };
}

function onStored(state: Sending, index: number, location: ObjectLocation | undefined): UploadState {
  if (hasSlice(state.stored, index)) return state;
  const stored = addSlice(state.stored, index);
  const active = state.active.filter((slice) => slice.index !== index);
  const next = { ...state, stored, active, cursor: nextMissing(stored, state.cursor) };
  return location && stored.count === stored.size ? finish(next, { location }, false) : finishIfComplete(next);
}

function finishIfComplete(state: Sending): UploadState {
  const { layout, stored, session } = state;
  if (stored.count < stored.size || !session) return state;
  return enter(state, { phase: 'finishing', layout, stored, session });
}

/** Back to a new session: once, and again only after more had been stored than the time before. */
function loseSession(state: ActiveState, storedBytes: number, cause: CosSliceError | undefined): UploadState {
  if (storedBytes > state.lostAtBytes) return create({ ...state, lostAtBytes: storedBytes });
  const what = 'the server keeps losing the upload: look at its log, then start again';
  return fail(state, new CosSliceError('session-lost', what, { cause }));
}

// --- replies and failures

function onReplied(state: ActiveState, index: number | undefined, reply: Answer): UploadState {
  if (state.phase === 'hashing') return state;
  if (reply.kind === 'conflict') return onConflict(state, reply.error);
  if (state.phase === 'opening') return onOpeningReply(state, reply);
  if (reply.kind === 'present') return finish(state, reply, false);
  if (state.phase === 'sending') {
    if (reply.kind === 'stored' && index !== undefined) return onStored(state, index, reply.location);
    if (reply.kind === 'session-gone') return loseSession(state, bytesIn(state.layout, state.stored), reply.error);
    return state;
  }
  if (reply.kind === 'session-gone') {
    // Also what a server says that had finished, and whose answer was lost: the list tells.
    const doubtful = state.attempt > 0 || state.brokenOff;
    return doubtful ? open(state, 'list', 'finish', reply.error) : loseSession(state, state.job.sizeBytes, reply.error);
  }
  if (reply.kind !== 'incomplete') return state;
  const refusals = state.refusals + 1;
  return refusals > FINISH_REFUSALS
    ? fail(state, reply.error)
    : open({ ...state, refusals }, 'list', 'finish', reply.error);
}

function onFailed(before: ActiveState, event: UploadEvent & { type: 'failed' }): UploadState {
  const { error, slice: index, nowMs, random } = event;
  const state: ActiveState = error.wireCode === undefined ? before : { ...before, contacted: true };
  const { job, phase } = state;
  const tries: Tries | undefined = phase === 'sending' ? state.active.find((one) => one.index === index) : state;
  if (!tries) return state;
  const { attempt, brokenOff, resigns } = tries;

  const trusted = 'session' in state && state.session !== undefined;
  const verdict = judge({ attempt, resigns }, error, job.retry, { contacted: state.contacted, trusted, random });
  if (verdict.do === 'resign') return noteTry(state, index, { resigns: resigns + 1, retryAtMs: nowMs });
  if (verdict.do === 'give-up' && error.remedy !== 'backoff') {
    // The answer to an attempt may have been lost after the server had acted on it; then the next one finds the object there.
    const mayBeOurs = error.code === 'exists' && (attempt > 0 || brokenOff);
    if (mayBeOurs && phase === 'finishing') return open(state, 'list', 'finish', error);
    if (mayBeOurs && job.single) return open(state, 'list', 'exists', error);
    return fail(state, error);
  }
  // Without a network nothing was tried.
  if (!state.online) return noteTry(state, index, { retryAtMs: nowMs });
  if (verdict.do === 'repeat') return afterAttempt(noteTry(state, index, { brokenOff: true, retryAtMs: nowMs }));
  const failures = state.failures + 1;
  if (verdict.do === 'give-up' || failures >= job.retry.attemptsPerUpload) return fail(state, error);
  const retryAtMs = nowMs + verdict.afterMs;
  return afterAttempt(noteTry({ ...state, failures }, index, { attempt: attempt + 1, resigns: 0, retryAtMs }));
}

/** A discard whose answer was lost may have been carried out, and a second one would take more than the first: asks again. */
function afterAttempt(state: ActiveState): UploadState {
  if (state.phase !== 'opening' || state.step !== 'discard') return state;
  return state.job.single ? sendSingle(state) : { ...state, step: 'init' };
}

/** What has become of an attempt: of a slice while slices are sent, else of the phase's own request. */
function noteTry(state: ActiveState, index: number | undefined, change: Partial<ActiveSlice>): ActiveState {
  if (state.phase !== 'sending') return { ...state, ...change };
  const active = state.active.map((one) => (one.index === index ? { ...one, running: false, ...change } : one));
  return { ...state, active };
}

// --- small change

function finish(
  state: ActiveState,
  reply: { readonly location: ObjectLocation; readonly sha?: string | undefined },
  instant: boolean,
): UploadState {
  const { job, resumedBytes, sha = reply.sha } = state;
  return { phase: 'done', job, location: reply.location, instant, resumedBytes, sha };
}

function fail(state: ActiveState, error: CosSliceError): UploadState {
  return { phase: 'failed', job: state.job, error };
}

/** The state in another phase, or in the same one anew: what is not named here was the old phase's own. */
function enter<Phase extends Pick<ActiveState, 'phase'>>(state: ActiveState, phase: Phase): Underway & Phase {
  const { job, paused, online, failures, contacted, hash, sha } = state;
  const { resumedBytes, foreignSession, lostAtBytes, discarded, refusals } = state;
  const upload = { job, paused, online, failures, contacted, hash, sha };
  const history = { resumedBytes, foreignSession, lostAtBytes, discarded, refusals };
  return { ...upload, ...history, ...UNTRIED, run: state.run + 1, ...phase };
}

/** Both are known, and not the same. */
function differ<T>(a: T | undefined, b: T | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}
