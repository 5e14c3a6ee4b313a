import type { CosSliceError } from '../errors.ts';
import type { UploadPhase, UploadProgress } from './progress.ts';

/** Where the finished object is, and how it got there. */
export interface UploadResult {
  /** Of the object in the bucket: as it was given, or the name that it got with `overwrite: 'rename'`. */
  readonly path: string;
  /** With `overwrite: 'skip'`: an object was there already, and is told of here. Nothing was stored. */
  readonly skipped: boolean;
  /** For downloads (private buckets want a signature), or empty when the server did not say. */
  readonly accessUrl: string;
  readonly sourceUrl: string;
  readonly url: string;
  readonly resourcePath: string;
  /** The server had the content already; nothing was sent. */
  readonly instant: boolean;
  /** Bytes that an earlier run had stored. */
  readonly resumedBytes: number;
  /** Bytes of content that this run put on the wire, resent ones included. */
  readonly sentBytes: number;
  /** SHA-1 of the content in hex, when it was computed. */
  readonly sha1?: string | undefined;
}

/** Fate of one slice in `UploadSnapshot.sliceMap()`. */
export const SLICE_WAITING = 0;
export const SLICE_IN_FLIGHT = 1;
export const SLICE_STORED = 2;
export const SLICE_RETRYING = 3;
export const SLICE_RESUMED = 4;

/** What an upload waits for: a place among those that share its limiter, the network, or the time of its next attempt. */
export type Wait = 'place' | 'network' | 'retry';

export interface UploadSnapshot {
  readonly phase: UploadPhase;
  readonly paused: boolean;
  /** False while the network is said to be gone. That is taken for a hint: now and then a request is tried all the same. */
  readonly online: boolean;
  /** Nothing moves until then. Undefined when something does, and while paused. */
  readonly waitingFor?: Wait | undefined;
  /** Whether another run could go on where this one ends: not of a stream, nor when nothing is, or could be, remembered. */
  readonly resumable: boolean;
  readonly progress: UploadProgress;
  readonly session?: string | undefined;
  /** Bytes; the server's choice once the upload is open. */
  readonly sliceSizeBytes: number;
  readonly error?: CosSliceError | undefined;
  /** One byte per slice, `SLICE_*`. Made anew at each call: O(slices). */
  sliceMap(): Uint8Array;
}

/** A running upload. Starts by itself. */
export interface Upload {
  /** Settles exactly once, when nothing runs any more. Rejects with a CosSliceError, or with `signal.reason` when cancelled. */
  readonly done: Promise<UploadResult>;
  readonly state: UploadSnapshot;
  /** @returns the unsubscribe function. Called at most every 100 ms, and at every change of phase, pause or network. */
  subscribe(listener: (state: UploadSnapshot) => void): () => void;
  /**
   * Starts nothing more; works in any phase. What is in flight has a few seconds to come to its end, then it is aborted. The
   * places are free then.
   */
  pause(): void;
  resume(): void;
}
