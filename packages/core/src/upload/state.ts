import type { CosSliceError } from '../errors.ts';
import type { RetryOptions } from '../options/options.ts';
import type { FileHash, HashCheckpoint } from '../ports.ts';
import type { Answer, ObjectLocation } from '../protocol/operations.ts';
import type { Integrity, Overwrite, Traits } from '../protocol/wire.ts';
import type { Layout, SliceSet } from './slices.ts';
import type { Tags } from './tags.ts';

/** What is to be done, fixed for the upload's life once the source is open. */
export interface Job {
  /** Until the source is open: as announced, or 0. */
  readonly sizeBytes: number;
  /** Bytes to ask the server for; its answer wins. */
  readonly sliceSizeBytes: number;
  /** Content up to this size goes in one request, without a session. */
  readonly singleMaxBytes: number;
  /** What slices the wire can have. Absent: their size is never changed on the way. */
  readonly sizes?: Pick<Traits, 'sliceSize' | 'maxParts'>;
  /** A session is known to nobody but who has opened it: one that is left behind is in no way, and stays until it is removed. */
  readonly hidesSessions?: boolean;
  readonly integrity: Integrity;
  readonly overwrite: Overwrite;
  readonly onConflict: 'error' | 'restart';
  readonly retry: Required<RetryOptions>;
}

/** What has become of a piece of work so far, and when it may be tried again. Times are monotonic. */
export interface Tries {
  /** Failed attempts. */
  readonly attempt: number;
  /** Of these, how many in a row up to the last one leave it open whether the work can ever succeed. */
  readonly opaque: number;
  /** Of these, how many leave it open whether this is the right server at all. */
  readonly doubts: number;
  /** Of these, how many came to no end on this machine. */
  readonly hangs: number;
  /** An attempt is under way. */
  readonly running: boolean;
  /** An attempt ended without an answer and was not counted; the server may have acted on it. */
  readonly brokenOff: boolean;
  /** Signatures refused in a row. */
  readonly resigns: number;
  readonly retryAtMs: number;
}

export const UNTRIED: Tries = {
  attempt: 0,
  opaque: 0,
  doubts: 0,
  hangs: 0,
  running: false,
  brokenOff: false,
  resigns: 0,
  retryAtMs: 0,
};

/** Switches that are thrown from outside, whatever the upload does. */
interface Switches {
  /** Since when it is paused: what is under way then has a moment to come to its end. */
  readonly pausedAtMs?: number | undefined;
  /** The network is said to be gone: when to see for ourselves. */
  readonly probeAtMs?: number | undefined;
  /** Has its place among the uploads that share a limiter. */
  readonly seated: boolean;
}

/** What every phase before the end carries; the tries are those of the step's own work (hash, list, init, finish, ...). */
export interface Underway extends Tries, Switches {
  readonly job: Job;
  /** Of the names for the object, which one is used: 0 is its path, 1 the one with ` (1)`. */
  readonly name: number;
  /** Times that a name was refused, one that had seemed to be free included. */
  readonly namesRefused?: number;
  /** Counts steps: outcomes of an earlier step's work say nothing about this one. */
  readonly run: number;
  /** Failed attempts in a row, over all work, since something last succeeded. */
  readonly failures: number;
  /** The server has answered in its protocol at least once. */
  readonly contacted: boolean;
  readonly hash?: FileHash | undefined;
  /** SHA-1 of the content, from hashing or from an earlier run's record. */
  readonly sha?: string | undefined;
  /** CRC-64 of the content in hex, once all slices are stored, with integrity `crc64`. */
  readonly crc64?: string | undefined;
  /** Bytes that an earlier run had stored, and its slices as they were found. */
  readonly resumedBytes: number;
  readonly resumed?: SliceSet | undefined;
  /** An earlier run called init with this SHA-1 and did not hear the answer: an object at the path may be ours. */
  readonly initCalled: boolean;
  /** A session that an earlier upload of ours has left behind, and that this one cannot go on with, as the record tells. */
  readonly foreignSession?: string | undefined;
  /** Bytes stored when a session was last lost, or -1; the next loss is forgiven only beyond that. */
  readonly lostAtBytes: number;
  /** What was in the way has been dealt with once. */
  readonly cleared: boolean;
  /** Bodies were refused as too large, so that slices have been made smaller, once: what was said then. */
  readonly tooLarge?: CosSliceError | undefined;
  /** Times that finish was refused. */
  readonly refusals: number;
  /** Steps of the opening in a row: a server that contradicts itself is not asked for ever. */
  readonly rounds: number;
}

/** The source is being opened. */
export interface Waiting extends Underway {
  readonly phase: 'opening';
  readonly step: 'source';
}

/** What an earlier run has left is being remembered. */
export interface Recalling extends Underway {
  readonly phase: 'opening';
  readonly step: 'recall';
}

export interface Hashing extends Underway {
  readonly phase: 'hashing';
  readonly step: 'hash';
  readonly checkpoint?: HashCheckpoint | undefined;
  /** An object that may be ours is in the way, and the hash will tell: what to fail with if it is not. */
  readonly inTheWay?: CosSliceError | undefined;
}

/** A session is asked for. */
export interface Initiating extends Underway {
  readonly phase: 'opening';
  readonly step: 'init';
}

/** What a list is asked for. */
export type Why =
  /** Is the session of an earlier run still there, or has its finish been carried out? */
  | {
      readonly for: 'resume';
      readonly session: string;
      readonly sliceSizeBytes?: number | undefined;
      readonly finishing: boolean;
      readonly proven?: readonly string[] | undefined;
    }
  /** The server says that this upload is unfinished: go on with it. */
  | { readonly for: 'adopt' }
  /**
   * The session is gone or lacks slices, after finish was called or before: perhaps because the object is complete, and the
   * answer was lost.
   */
  | {
      readonly for: 'finish' | 'loss';
      readonly session: string;
      readonly sliceSizeBytes: number;
      readonly storedBytes: number;
      readonly error: CosSliceError;
      readonly proven?: readonly string[] | undefined;
    }
  /** An object is in the way: is it ours, made by an attempt whose answer was lost? With a session: made in that one? */
  | {
      readonly for: 'claim';
      readonly error: CosSliceError;
      readonly session?: string;
      readonly sliceSizeBytes?: number;
    }
  /** With `overwrite: 'skip'`: is an object there? Asked before anything is sent, and when an error says so. */
  | {
      readonly for: 'look';
      readonly checkpoint?: HashCheckpoint | undefined;
      readonly error?: CosSliceError | undefined;
    }
  /** With `overwrite: 'rename'`: is this name free? The highest one known to be taken, and the lowest above it that is free. */
  | {
      readonly for: 'name';
      readonly taken: number;
      readonly free?: number | undefined;
      readonly error: CosSliceError;
    }
  /** Another upload is in the way: which one is it? */
  | { readonly for: 'conflict'; readonly error: CosSliceError };

export interface Listing extends Underway {
  readonly phase: 'opening';
  readonly step: 'list';
  readonly why: Why;
}

/** One session that is in the way is removed, and nothing else. */
export interface Discarding extends Underway {
  readonly phase: 'opening';
  readonly step: 'discard';
  readonly session: string;
  /** The server removes exactly that session. Others remove what is at the path, so it is looked at right before. */
  readonly exact: boolean;
  /** Its object's name is taken, which is no reason to fail: what to go on with when the session is gone, or cannot be removed. */
  readonly ousted?: CosSliceError | undefined;
}

/** A slice that has been started and is not stored: in flight, or waiting for its next attempt. */
export interface ActiveSlice extends Tries {
  readonly index: number;
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
  readonly tags?: Tags | undefined;
  /** Absent in an upload of one request. */
  readonly session?: Session | undefined;
}

/** A slice that is listed as stored, and the MD5 of what is there, in hex. */
export interface Unproven {
  readonly index: number;
  /** Absent: its server does not tell, and only its CRC-64 is wanted, for that of the whole. */
  readonly md5?: string | undefined;
}

export interface Sending extends WithSlices {
  readonly phase: 'sending';
  readonly step: 'send';
  /** Of the slices that are stored, those that are to be compared with the source before finish. */
  readonly unproven?: readonly Unproven[] | undefined;
  readonly active: readonly ActiveSlice[];
  /** Every slice before it is stored or active. */
  readonly cursor: number;
}

export interface Finishing extends WithSlices {
  readonly phase: 'finishing';
  readonly step: 'finish';
  readonly session: Session;
}

export type Opening = Waiting | Recalling | Initiating | Listing | Discarding;
export type ActiveState = Opening | Hashing | Sending | Finishing;

export interface Done {
  readonly phase: 'done';
  readonly job: Job;
  readonly location: ObjectLocation;
  readonly instant: boolean;
  /** Somebody else's object is there, and stays. */
  readonly skipped?: boolean;
  readonly sha?: string | undefined;
  /** What the upload had come to. */
  readonly reached: ActiveState;
}

export interface Failed {
  readonly phase: 'failed';
  readonly job: Job;
  readonly error: CosSliceError;
  readonly reached: ActiveState;
}

export interface Cancelled {
  readonly phase: 'cancelled';
  readonly job: Job;
  readonly reason: unknown;
  readonly reached: ActiveState;
}

export type Over = Done | Failed | Cancelled;
export type UploadState = ActiveState | Over;

/** What the resume store knows of an earlier run. */
export interface Recalled {
  readonly session?: string | undefined;
  readonly sliceSizeBytes?: number | undefined;
  readonly sha?: string | undefined;
  readonly initCalled?: boolean | undefined;
  readonly finishing?: boolean | undefined;
  readonly foreignSession?: string | undefined;
  readonly crc64?: string | undefined;
  /** Tags of slices in order, of those whose MD5 had been found right. */
  readonly proven?: readonly string[] | undefined;
  /** Which of the names for the object had been taken. */
  readonly name?: number | undefined;
  readonly checkpoint?: HashCheckpoint | undefined;
}

/** Something that has become known. `run` and `slice` say whose outcome it is; times are monotonic. */
export type UploadEvent =
  | {
      readonly type: 'source-opened';
      readonly run: number;
      readonly sizeBytes: number;
      readonly sliceSizeBytes: number;
    }
  | ({ readonly type: 'recalled'; readonly run: number } & Recalled)
  | { readonly type: 'hashed'; readonly run: number; readonly hash: FileHash }
  | { readonly type: 'checkpointed'; readonly run: number; readonly checkpoint: HashCheckpoint }
  /** A slice that is stored is what the source has there, or is not. */
  | { readonly type: 'compared'; readonly run: number; readonly slice: number; readonly same: boolean }
  /** All slices are stored, and this is the CRC-64 of the whole. */
  | { readonly type: 'summed'; readonly run: number; readonly crc64: string }
  /** A piece of work has begun. */
  | { readonly type: 'started'; readonly run: number; readonly slice?: number | undefined }
  /** A piece of work was aborted because it was no longer planned. */
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
      /** What is said of the network at that moment. */
      readonly online: boolean;
    }
  | { readonly type: 'paused' | 'offline'; readonly nowMs: number }
  | { readonly type: 'resumed' | 'online' | 'seated' | 'unseated' }
  | { readonly type: 'cancelled'; readonly reason: unknown };

export function initialState(
  job: Job,
  { online = true, seated = true }: { readonly online?: boolean; readonly seated?: boolean } = {},
): UploadState {
  return {
    phase: 'opening',
    step: 'source',
    job,
    ...UNTRIED,
    name: 0,
    run: 0,
    seated,
    probeAtMs: online ? undefined : 0,
    failures: 0,
    contacted: false,
    resumedBytes: 0,
    initCalled: false,
    lostAtBytes: -1,
    cleared: false,
    refusals: 0,
    rounds: 0,
  };
}

export function isOver(state: UploadState): state is Over {
  return state.phase === 'done' || state.phase === 'failed' || state.phase === 'cancelled';
}

/** One request, no session. */
export function isSingle({ sizeBytes, singleMaxBytes }: Job): boolean {
  return sizeBytes <= singleMaxBytes;
}

/** Asks nothing of the network. */
export function isLocal({ step }: ActiveState): boolean {
  return step === 'source' || step === 'recall' || step === 'hash';
}
