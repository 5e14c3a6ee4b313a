import { CosSliceError } from '../errors.ts';
import type { Integrity, RetryOptions } from '../options.ts';
import type { FileHash, HashCheckpoint } from '../ports.ts';
import type { ObjectLocation, Reply } from '../protocol/operations.ts';
import { backoffMs } from './retry.ts';
import {
  addSlice,
  bytesIn,
  createSliceSet,
  hasSlice,
  type Layout,
  nextMissing,
  type SliceSet,
  sliceCount,
  slicesWithin,
} from './slices.ts';

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

/** What every phase before the end carries. */
interface Underway {
  readonly job: Job;
  readonly paused: boolean;
  readonly online: boolean;
  /** Counts sessions and listings: outcomes of an earlier run's requests say nothing about this one. */
  readonly run: number;
  /** Failed attempts of the phase's own request (hash, list, init, finish), and when the next one may start (epoch ms). */
  readonly attempt: number;
  /** An attempt of it was broken off, and the server may have acted on it. */
  readonly brokenOff: boolean;
  readonly resigns: number;
  readonly retryAtMs: number;
  /** Failed attempts in a row, over all requests, since something last succeeded. */
  readonly failures: number;
  /** The server has answered in its protocol at least once. */
  readonly contacted: boolean;
  readonly hash?: FileHash;
  /** SHA-1 of the content, from hashing or from an earlier run's record. */
  readonly sha?: string;
  /** Bytes that an earlier run had stored. */
  readonly resumedBytes: number;
  /** A session that holds other content than ours, as the record tells. */
  readonly foreignSession?: string;
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
  readonly cause: 'record' | 'unfinished' | 'finish' | 'exists';
  /** An earlier run called finish. */
  readonly finishing: boolean;
  /** The session of an earlier run, while `cause` is `record`. */
  readonly recordedSession?: string;
  /** What to fail with if the list does not explain it. */
  readonly pending?: CosSliceError;
  /** `init` and `list` contradict each other only so often. */
  readonly rounds: number;
}

interface Hashing extends Underway {
  readonly phase: 'hashing';
  readonly checkpoint?: HashCheckpoint;
}

/** A slice that has been started and is not stored: in flight, or waiting for its next attempt. */
export interface ActiveSlice {
  readonly index: number;
  readonly running: boolean;
  readonly attempt: number;
  readonly brokenOff: boolean;
  readonly resigns: number;
  readonly retryAtMs: number;
}

export interface Session {
  readonly id: string;
  readonly serial: boolean;
  /** The session was opened with this SHA-1: finish must bring it. */
  readonly sha?: string;
}

interface WithSlices extends Underway {
  readonly layout: Layout;
  readonly stored: SliceSet;
  /** Absent in a single-request upload. */
  readonly session?: Session;
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
  readonly sha?: string;
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
      readonly session?: string;
      readonly sha?: string;
      readonly finishing?: boolean;
      readonly foreignSession?: string;
      readonly checkpoint?: HashCheckpoint;
    }
  | { readonly type: 'hashed'; readonly run: number; readonly hash: FileHash }
  | { readonly type: 'checkpointed'; readonly run: number; readonly checkpoint: HashCheckpoint }
  /** A slice got its place. */
  | { readonly type: 'started'; readonly run: number; readonly slice: number }
  /** An attempt was aborted because it was no longer planned. */
  | { readonly type: 'stopped'; readonly run: number; readonly slice?: number }
  | { readonly type: 'replied'; readonly run: number; readonly slice?: number; readonly reply: Answer }
  | {
      readonly type: 'failed';
      readonly run: number;
      readonly slice?: number;
      readonly error: CosSliceError;
      readonly nowMs: number;
      /** In [0, 1), for jitter. */
      readonly random: number;
    }
  | { readonly type: 'paused' | 'resumed' | 'online' | 'offline' }
  | { readonly type: 'cancelled'; readonly reason: unknown };

export type Answer = Exclude<Reply, { kind: 'failed' }>;

/** Attempts before the server has ever answered: a wrong address should not take minutes to be called one. */
const ATTEMPTS_BEFORE_CONTACT = 3;
const RESIGNS = 2;
const OPENING_ROUNDS = 8;
const FINISH_REFUSALS = 3;

export function initialState(
  job: Job,
  options: { readonly paused?: boolean; readonly online?: boolean } = {},
): UploadState {
  const start: Opening = {
    phase: 'opening',
    step: 'recall',
    cause: 'record',
    finishing: false,
    rounds: 0,
    job,
    paused: options.paused ?? false,
    online: options.online ?? true,
    run: 0,
    attempt: 0,
    brokenOff: false,
    resigns: 0,
    retryAtMs: 0,
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
      return state.paused ? state : { ...state, paused: true };
    case 'resumed':
      return state.paused ? { ...state, paused: false } : state;
    case 'offline':
      return state.online ? { ...state, online: false } : state;
    case 'online':
      return state.online ? state : { ...state, online: true };
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
      if (state.phase !== 'hashing') return state;
      return open(calm({ ...state, hash: event.hash, sha: event.hash.sha }), 'init');
    case 'started':
      return state.phase === 'sending' ? onStarted(state, event.slice) : state;
    case 'stopped':
      return onStopped(state, event.slice);
    case 'replied':
      return onReplied(state, event.slice, event.reply);
    case 'failed':
      return onFailed(state, event);
  }
}

// --- opening

function onRecalled(state: Opening, event: UploadEvent & { type: 'recalled' }): UploadState {
  const known = {
    ...state,
    ...(event.sha === undefined ? {} : { sha: event.sha }),
    ...(event.foreignSession === undefined ? {} : { foreignSession: event.foreignSession }),
    finishing: event.finishing === true,
  };
  if (event.session !== undefined) {
    return { ...open(known, 'list', 'record'), recordedSession: event.session } as Opening;
  }
  return create(known, event.checkpoint);
}

/** Asks for a new session, hashing first where it needs that. */
function create(state: ActiveState, checkpoint?: HashCheckpoint): UploadState {
  if (state.job.single) return sendSingle(state);
  if (state.job.integrity === 'sha1' && state.hash === undefined) {
    return { ...underway(state), phase: 'hashing', run: state.run + 1, ...(checkpoint ? { checkpoint } : {}) };
  }
  return open(state, 'init');
}

function open(
  state: ActiveState,
  step: Opening['step'],
  cause: Opening['cause'] = 'unfinished',
  pending?: CosSliceError,
): UploadState {
  const rounds = state.phase === 'opening' ? state.rounds + 1 : 0;
  if (rounds > OPENING_ROUNDS) {
    return fail(
      state,
      new CosSliceError(
        'bad-reply',
        'the server contradicts itself: it calls the upload unfinished but does not list it',
      ),
    );
  }
  return {
    ...underway(state),
    phase: 'opening',
    step,
    cause,
    rounds,
    finishing: state.phase === 'opening' && state.finishing,
    run: state.run + 1,
    ...(pending ? { pending } : {}),
  };
}

function onOpeningReply(state: Opening, reply: Answer): UploadState {
  switch (reply.kind) {
    case 'opened':
      return startSending(
        state,
        reply,
        createSliceSet(sliceCount(layoutOf(state.job, reply.sliceSizeBytes))),
        state.sha,
      );
    case 'listed':
      return onListed(state, reply);
    case 'present':
      return onPresent(state, reply);
    case 'unfinished':
      return open(state, 'list', 'unfinished');
    case 'absent':
      if (state.cause === 'exists' && state.pending) return fail(state, state.pending);
      return state.cause === 'finish' ? loseSession(state, state.job.sizeBytes, state.pending) : create(state);
    case 'conflict':
      return onConflict(state, reply.error);
    case 'discarded':
      return create({ ...state, discarded: true });
    default:
      return state;
  }
}

function onListed(state: Opening, reply: Answer & { kind: 'listed' }): UploadState {
  const { job } = state;
  if (state.cause === 'exists' && state.pending) return fail(state, state.pending);
  const otherSize = reply.sizeBytes !== undefined && reply.sizeBytes !== job.sizeBytes;
  const otherSha = reply.sha !== undefined && state.sha !== undefined && reply.sha !== state.sha;
  const proven = reply.sha !== undefined && reply.sha === state.sha;
  if (otherSize || otherSha || (reply.session === state.foreignSession && !proven)) {
    const what = otherSize ? `of ${reply.sizeBytes} bytes` : 'of other content';
    const hint = `an unfinished upload ${what} is at this path: choose another path or onConflict "restart"`;
    return onConflict(state, new CosSliceError('conflict', hint));
  }
  // Not the session we left: only the server can tell whether it is about the same content, and init asks it.
  if (state.cause === 'record' && reply.session !== state.recordedSession && !proven) return create(state);
  const layout = layoutOf(job, reply.sliceSizeBytes);
  const stored = slicesWithin(layout, reply.stored);
  // What is listed later on is this run's own work.
  const first = state.cause !== 'finish' && state.lostAtBytes < 0;
  const resumedBytes = first ? bytesIn(layout, stored) : state.resumedBytes;
  return startSending({ ...state, resumedBytes }, reply, stored, reply.sha ?? state.sha);
}

function onPresent(state: Opening, reply: Answer & { kind: 'present' }): UploadState {
  const { job, sha } = state;
  const contradicted =
    (reply.sizeBytes !== undefined && reply.sizeBytes !== job.sizeBytes) ||
    (reply.sha !== undefined && sha !== undefined && reply.sha !== sha);
  // A list also calls an older object present, which says nothing about ours if ours may replace it. Proof is its SHA-1, or
  // that finish had been called; an answer to init is about our content in any case.
  const ours = reply.sha !== undefined && reply.sha === sha;
  const finishCalled = state.finishing || state.cause === 'finish' || state.cause === 'exists';
  const believed = state.step === 'init' || ours || finishCalled || !job.overwrite;
  if (!contradicted && believed) return finish(state, reply, state.cause === 'record' || state.step === 'init');
  if (state.cause === 'exists' && state.pending) return fail(state, state.pending);
  return state.cause === 'finish' ? loseSession(state, state.job.sizeBytes, state.pending) : create(state);
}

function onConflict(state: ActiveState, error: CosSliceError): UploadState {
  if (state.job.onConflict === 'error' || state.discarded) return fail(state, error);
  return open(state, 'discard');
}

// --- sending

function startSending(
  state: Opening,
  reply: { readonly session: string; readonly sliceSizeBytes: number; readonly serial: boolean },
  stored: SliceSet,
  sha: string | undefined,
): UploadState {
  const { job } = state;
  const session = { id: reply.session, serial: reply.serial, ...(sha === undefined ? {} : { sha }) };
  const layout = layoutOf(job, reply.sliceSizeBytes);
  const next: Sending = {
    ...underway(state),
    phase: 'sending',
    run: state.run + 1,
    layout,
    stored,
    session,
    active: [],
    cursor: nextMissing(stored, 0),
  };
  return finishIfComplete(next);
}

function sendSingle(state: ActiveState): UploadState {
  const layout = { sizeBytes: state.job.sizeBytes, sliceSizeBytes: Math.max(1, state.job.sizeBytes) };
  return {
    ...underway(state),
    phase: 'sending',
    run: state.run + 1,
    layout,
    stored: createSliceSet(1),
    active: [],
    cursor: 0,
  };
}

function onStarted(state: Sending, index: number): UploadState {
  const known = state.active.some((slice) => slice.index === index);
  if (known) return withActive(state, index, (slice) => ({ ...slice, running: true }));
  if (index < state.cursor || index >= state.stored.size || hasSlice(state.stored, index)) return state;
  // Slices are started in order, but they may get their places out of order: the ones passed over become active too.
  const active = [...state.active];
  for (let at = state.cursor; at <= index; at = nextMissing(state.stored, at + 1)) {
    active.push({ index: at, running: at === index, attempt: 0, brokenOff: false, resigns: 0, retryAtMs: 0 });
  }
  return { ...state, active, cursor: nextMissing(state.stored, index + 1) };
}

function onStored(state: Sending, index: number, location: ObjectLocation | undefined): UploadState {
  if (hasSlice(state.stored, index)) return state;
  const stored = addSlice(state.stored, index);
  const active = state.active.filter((slice) => slice.index !== index);
  const next = { ...calm(state), stored, active, cursor: nextMissing(stored, state.cursor) };
  if (location !== undefined && stored.count === stored.size) return finish(next, { location }, false);
  return finishIfComplete(next);
}

function finishIfComplete(state: Sending): UploadState {
  if (state.stored.count < state.stored.size || state.session === undefined) return state;
  const { layout, stored, session } = state;
  return { ...underway(state), phase: 'finishing', run: state.run + 1, layout, stored, session };
}

/** Back to a new session: once, and again only after more had been stored than the time before. */
function loseSession(state: ActiveState, storedBytes: number, error: CosSliceError | undefined): UploadState {
  if (storedBytes <= state.lostAtBytes) {
    const what = 'the server keeps losing the session of this upload: look at its log, then start again';
    return fail(state, new CosSliceError('session-lost', what, error ? { cause: error } : {}));
  }
  return create({ ...state, lostAtBytes: storedBytes });
}

function onStopped(state: ActiveState, index: number | undefined): UploadState {
  if (state.phase !== 'sending') return { ...state, brokenOff: true };
  return withActive(state, index ?? -1, (slice) => ({ ...slice, running: false, brokenOff: true, retryAtMs: 0 }));
}

function withActive(state: Sending, index: number, change: (slice: ActiveSlice) => ActiveSlice): Sending {
  return { ...state, active: state.active.map((slice) => (slice.index === index ? change(slice) : slice)) };
}

// --- replies and failures

function onReplied(before: ActiveState, index: number | undefined, reply: Answer): UploadState {
  const state = { ...before, contacted: true };
  if (state.phase === 'opening') return onOpeningReply(calm(state), reply);
  if (state.phase === 'sending' && index !== undefined) {
    switch (reply.kind) {
      case 'stored':
        return onStored(state, index, reply.location);
      case 'present':
        return finish(state, reply, false);
      case 'conflict':
        return onConflict(state, reply.error);
      case 'session-gone':
        return loseSession(state, bytesIn(state.layout, state.stored), reply.error);
    }
  }
  if (state.phase === 'finishing') {
    switch (reply.kind) {
      case 'present':
        return finish(state, reply, false);
      case 'incomplete':
        if (state.refusals + 1 > FINISH_REFUSALS) return fail(state, reply.error);
        return open({ ...state, refusals: state.refusals + 1 }, 'list', 'finish', reply.error);
      case 'session-gone':
        // Also what a server says that had finished, and whose answer was lost: the list tells.
        return open(state, 'list', 'finish', reply.error);
      case 'conflict':
        return onConflict(state, reply.error);
    }
  }
  return state;
}

function onFailed(before: ActiveState, event: UploadEvent & { type: 'failed' }): UploadState {
  const { error, nowMs, random } = event;
  const state: ActiveState = error.wireCode === undefined ? before : { ...before, contacted: true };
  const slice = state.phase === 'sending' ? state.active.find((one) => one.index === event.slice) : undefined;
  if (state.phase === 'sending' && !slice) return state;
  const { attempt, brokenOff, resigns } = slice ?? state;

  const retry = (change: { attempt?: number; resigns?: number; retryAtMs: number }, failures: number): UploadState =>
    state.phase === 'sending'
      ? { ...withActive(state, event.slice ?? -1, (one) => ({ ...one, ...change, running: false })), failures }
      : { ...state, ...change, failures };

  if (error.remedy === 'resign') {
    return resigns < RESIGNS ? retry({ resigns: resigns + 1, retryAtMs: nowMs }, state.failures) : fail(state, error);
  }
  if (error.remedy === 'none') {
    // The answer to an attempt may have been lost after the server had acted on it; then the next one finds the object there.
    const mayBeOurs = error.code === 'exists' && (attempt > 0 || brokenOff);
    if (mayBeOurs && state.phase === 'finishing') return open(state, 'list', 'finish', error);
    if (mayBeOurs && state.job.single) return open(state, 'list', 'exists', error);
    return fail(state, error);
  }
  // Without a network nothing was tried.
  if (!state.online) return retry({ retryAtMs: nowMs }, state.failures);

  const { retry: policy } = state.job;
  const doubtful = !state.contacted && (error.unreachable === true || error.code === 'bad-reply');
  const attempts = doubtful ? Math.min(ATTEMPTS_BEFORE_CONTACT, policy.attempts) : policy.attempts;
  const failures = state.failures + 1;
  if (attempt + 1 >= attempts || failures >= policy.attemptsPerUpload) return fail(state, error);
  const delayMs = backoffMs(policy, attempt + 1, random, error.retryAfterMs);
  const next = retry({ attempt: attempt + 1, retryAtMs: nowMs + delayMs }, failures);
  if (next.phase !== 'opening' || next.step !== 'discard') return next;
  // A discard whose answer was lost may have been carried out, and a second one would take more than the first: ask again.
  return next.job.single ? sendSingle(next) : { ...next, step: 'init' };
}

// --- small change

function finish(state: ActiveState, reply: { location: ObjectLocation; sha?: string }, instant: boolean): UploadState {
  const sha = state.sha ?? reply.sha;
  return {
    phase: 'done',
    job: state.job,
    location: reply.location,
    instant,
    resumedBytes: state.resumedBytes,
    ...(sha === undefined ? {} : { sha }),
  };
}

function fail(state: ActiveState, error: CosSliceError): UploadState {
  return { phase: 'failed', job: state.job, error };
}

/** Something succeeded: what failed before no longer counts. */
function calm<S extends ActiveState>(state: S): S {
  return { ...state, failures: 0 };
}

/** What survives a change of phase; the phase's own request starts with a clean slate. */
function underway(state: ActiveState): Underway {
  return {
    job: state.job,
    paused: state.paused,
    online: state.online,
    run: state.run,
    attempt: 0,
    brokenOff: false,
    resigns: 0,
    retryAtMs: 0,
    failures: state.failures,
    contacted: state.contacted,
    resumedBytes: state.resumedBytes,
    lostAtBytes: state.lostAtBytes,
    discarded: state.discarded,
    refusals: state.refusals,
    ...(state.hash === undefined ? {} : { hash: state.hash }),
    ...(state.sha === undefined ? {} : { sha: state.sha }),
    ...(state.foreignSession === undefined ? {} : { foreignSession: state.foreignSession }),
  };
}

function layoutOf(job: Job, sliceSizeBytes: number): Layout {
  return { sizeBytes: job.sizeBytes, sliceSizeBytes };
}
