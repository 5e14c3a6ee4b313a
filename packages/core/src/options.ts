import { CosSliceError, type OptionIssue } from './errors.ts';
import type { Limiter, ResumeStore, SignClaim, Signer } from './ports.ts';
import type { UploadProgress } from './upload/progress.ts';
import type { Bounds } from './upload/window.ts';

/** Bytes that one `upload` request may carry (protocol section 1). */
export const SINGLE_REQUEST_LIMIT_BYTES: number = 20 * 1024 * 1024;
const MIN_SLICE_BYTES = 64 * 1024;
const MAX_SLICE_BYTES = 16 * 1024 * 1024;
const MAX_CONCURRENCY = 64;

/**
 * What is checked, and by whom, on the way:
 * - `none`: the size, by the server.
 * - `md5`: an MD5 of every slice, by the server; one that echoes it is checked in turn.
 * - `sha1`: SHA-1 of the whole content and of every slice in its place, by the server; makes instant upload possible.
 *   Costs a pass over the content before the first byte is sent.
 */
export type Integrity = 'none' | 'md5' | 'sha1';

export interface RetryOptions {
  /** Attempts for one request before the upload fails. Default 10. */
  readonly attempts?: number;
  /** Failed attempts in a row, over all slices, with nothing stored in between. Default 100. */
  readonly attemptsPerUpload?: number;
  /** The first pause is random in [0, baseDelayMs), each next one twice as long. Default 500 ms. */
  readonly baseDelayMs?: number;
  /** Default 30 000 ms. `Retry-After` may ask for more. */
  readonly maxDelayMs?: number;
}

export interface TimeoutOptions {
  /** Until the connection stands. Default 10 000 ms. */
  readonly connectMs?: number;
  /** From the last byte sent to the reply. Default 30 000 ms. */
  readonly responseMs?: number;
  /** Between two signs of progress while sending. Default 30 000 ms. */
  readonly noProgressMs?: number;
}

export interface UploadOptions {
  /** URL prefix before `/<appid>/<bucket>/<path>`: `cosEndpoint('sh')`, `http://127.0.0.1:9000/files/v2`. */
  readonly endpoint: string;
  readonly appId: string | number;
  readonly bucket: string;
  /** Object path in the bucket, as text (it is percent-encoded once, here). A leading slash is dropped. */
  readonly path: string;
  /** `createSigner(...)`, `remoteSigner(...)`, or a function that returns the signature. */
  readonly signer: Signer | ((claim: SignClaim, signal: AbortSignal) => string | Promise<string>);
  /**
   * Slice size to ask for, in bytes: 64 KiB to 16 MiB, a multiple of 64. Default 1 MiB. The server's answer wins. Real COS
   * takes 512 KiB, 1, 2 and 3 MiB.
   */
  readonly sliceSize?: number;
  /** Files up to this size go in one request, without a session. Default: `sliceSize`; at most 20 MB. */
  readonly singleRequestMax?: number;
  /**
   * Requests in flight: a fixed number, bounds for the adaptive window, or a limiter (`createLimiter`) that several uploads
   * share. Default `{ min: 1, max: 8 }`.
   */
  readonly concurrency?: number | Bounds | Limiter;
  readonly integrity?: Integrity;
  /** Replace what is at the path. Default false: error `exists`. */
  readonly overwrite?: boolean;
  /** Text stored with the object (`biz_attr`). */
  readonly attributes?: string;
  /**
   * Another content's unfinished upload at the path: `error` (default) fails with `conflict`; `restart` deletes what is at
   * the path and starts over.
   */
  readonly onConflict?: 'error' | 'restart';
  /** Where unfinished uploads are remembered; false: nowhere. */
  readonly resume?: ResumeStore | false;
  readonly retry?: RetryOptions;
  readonly timeouts?: TimeoutOptions;
  /** Cancels: `done` rejects with `signal.reason`. What the server has stays there for a later resume. */
  readonly signal?: AbortSignal;
  /** At most every 100 ms, and at every change of phase. */
  readonly onProgress?: (progress: UploadProgress) => void;
}

export interface Config {
  readonly endpoint: string;
  readonly appId: string;
  readonly bucket: string;
  readonly path: string;
  readonly signer: Signer;
  readonly sliceSizeBytes: number;
  readonly singleRequestMaxBytes: number;
  readonly limiter: Limiter;
  readonly integrity: Integrity;
  readonly overwrite: boolean;
  readonly attributes?: string;
  readonly onConflict: 'error' | 'restart';
  readonly resume: ResumeStore | false;
  readonly retry: Required<RetryOptions>;
  readonly timeouts: Required<TimeoutOptions>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: UploadProgress) => void;
}
