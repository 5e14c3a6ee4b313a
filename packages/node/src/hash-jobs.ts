import type { Crc64 } from '@cos-slice/core';

/** Of slices. */
export type Algorithm = 'md5' | 'sha1' | Crc64;

/** What the hashing worker is asked. */
export type HashJob = DigestJob | StretchJob | PartsJob | FilesJob;

export interface DigestJob {
  readonly kind: 'digest';
  readonly algorithm: Algorithm;
  /** Of a CRC-64. */
  readonly polynomial: string | undefined;
  /** In shared memory; or else a buffer of its own, which is given away. */
  readonly bytes: Uint8Array;
}

/** A slice that is too large to be held in memory. */
export interface StretchJob extends Pick<DigestJob, 'algorithm' | 'polynomial'>, Pick<PartsJob, 'fd' | 'cancel'> {
  readonly kind: 'stretch';
  /** In the file, in bytes. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface PartsJob {
  readonly kind: 'parts';
  /** File descriptor, which the asking thread keeps open. */
  readonly fd: number;
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
  readonly from?: { readonly hashedBytes: number; readonly state: Uint8Array };
  /** Set to 1: stop. In shared memory. */
  readonly cancel: Int32Array;
}

/** Small files, to be read and hashed whole. */
export interface FilesJob {
  readonly kind: 'files';
  readonly algorithm: 'md5' | 'sha1' | undefined;
  readonly paths: readonly string[];
  /** Shared memory for their contents, cut into rooms of this size, which is larger than any content that is wanted. */
  readonly memory: SharedArrayBuffer;
  readonly roomBytes: number;
  /** The room of each. */
  readonly rooms: readonly number[];
}

/** What a small file was at one moment. */
export interface FileRead {
  readonly sizeBytes: number;
  /** Epoch ms. */
  readonly modifiedAtMs: number;
  /** Hex. */
  readonly digest: string | undefined;
}

/** All but `progress` end a job. */
export type HashReply = HashProgress | HashDone | FilesDone | HashFailed;

export interface HashProgress {
  readonly kind: 'progress';
  readonly hashedBytes: number;
  /** Chaining states at the ends of the slices since the last message, 20 bytes each. */
  readonly states: Uint8Array;
  /** The hash's own state, to continue from; only at the end of a slice. */
  readonly state?: Uint8Array;
}

export interface HashDone {
  readonly kind: 'done';
  /** Hex. */
  readonly digest: string;
}

export interface FilesDone {
  readonly kind: 'files';
  /** In their order. Undefined: it is not small, not at rest, or cannot be read. */
  readonly files: readonly (FileRead | undefined)[];
}

export interface HashFailed {
  readonly kind: 'failed';
  /** `SHORT`, or the system's. */
  readonly code: string;
  readonly message: string;
}
