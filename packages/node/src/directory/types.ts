import type { FileEntry } from '@cos-slice/core';
import type { ProblemReason } from './walk.ts';

/** A file of a directory that is uploaded, or of one that is downloaded to. */
export interface LocalFile {
  /** From the top of the directory, with `/`. */
  readonly path: string;
  /** As the system has it. */
  readonly file: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/**
 * Which files need not be transferred because they are on the other side. `unchanged`: of the same size, and not modified since
 * (an upload's object is not older than the file, a download's file has the time of the object). `same-size` looks at nothing
 * else; `same-content` compares SHA-1, where the server knows it; `existing` skips whatever is there, and replaces nothing. A
 * function decides for each file that is on both sides. False: nothing is skipped.
 */
export type Skip =
  | 'unchanged'
  | 'existing'
  | 'same-size'
  | 'same-content'
  | false
  | ((file: LocalFile, object: FileEntry) => boolean | Promise<boolean>);

export interface DirectoryOptions {
  /** Only files that match one of these patterns, as in `.gitignore`: `*.jpg`, `photos/`, `/2024/**`. */
  readonly include?: readonly string[];
  /** No files, and nothing in directories, that match one of these patterns. */
  readonly exclude?: readonly string[];
  /** Default `unchanged`. */
  readonly skip?: Skip;
  /**
   * `stop` (default): the first file that fails ends the transfer, and `done` rejects with its error. `continue`: the others are
   * transferred, and the result counts and names what failed.
   */
  readonly onFailure?: 'stop' | 'continue';
  /** What cannot be transferred (links, sockets, names, what may not be read) counts as failed. Default false: it is reported. */
  readonly strict?: boolean;
  /** Removes what is on the target's side only, once all has been transferred and nothing failed. Default false. */
  readonly deleteExtra?: boolean;
  /** Follows symbolic links, on this side. Default false: they are reported. */
  readonly followSymlinks?: boolean;
  /** Tells what would be done, and does nothing. Default false. */
  readonly dryRun?: boolean;
  /** Walks ahead once, so that the progress knows how much there is in all. Default false. */
  readonly count?: boolean;
  /** Cancels: `done` rejects with `signal.reason`. A later run goes on from what is there. */
  readonly signal?: AbortSignal;
  /** At most every 100 ms, and at every change of phase. */
  readonly onProgress?: (progress: DirectoryProgress) => void;
  /** What has become of each entry. */
  readonly onEntry?: (event: DirectoryEvent) => void;
}

/** What has become of an entry. Paths are from the top, with `/`; a directory's ends in one. */
export type DirectoryEvent =
  | {
      readonly type: 'transferred';
      readonly path: string;
      readonly sizeBytes: number;
      /** Bytes that an earlier run had transferred. */
      readonly resumedBytes: number;
    }
  | { readonly type: 'skipped'; readonly path: string; readonly sizeBytes: number }
  /** A directory was made. */
  | { readonly type: 'created'; readonly path: string }
  | { readonly type: 'deleted'; readonly path: string }
  | { readonly type: 'failed'; readonly path: string; readonly error: Error }
  /** Left out, for this reason. */
  | { readonly type: 'problem'; readonly path: string; readonly reason: ProblemReason; readonly message: string };

export interface Amount {
  readonly files: number;
  readonly bytes: number;
}

/** A file under way: a line in a list. */
export interface ActiveFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly doneBytes: number;
  /** From 0 to 1. */
  readonly fraction: number;
}

export interface DirectoryProgress {
  readonly phase: 'running' | 'deleting' | 'done' | 'failed' | 'cancelled';
  readonly paused: boolean;
  /** Files that take part, as far as they have been found. */
  readonly found: Amount;
  /** `found` is all there is. */
  readonly isCounted: boolean;
  readonly transferred: Amount;
  readonly skipped: Amount;
  readonly failed: number;
  readonly problems: number;
  readonly created: number;
  readonly deleted: number;
  /** Whether another run goes on with what this one leaves unfinished. What is not remembered would be in its way. */
  readonly resumable: boolean;
  /** Bytes of files that are through, and of those under way what is through of them. */
  readonly doneBytes: number;
  /** Bytes that went over the network: what was skipped or resumed is not in it. */
  readonly movedBytes: number;
  /** From 0 to 1; undefined until all is counted. */
  readonly fraction: number | undefined;
  /** Over the last seconds, skipped files not counted. */
  readonly bytesPerSecond: number;
  readonly etaMs: number | undefined;
  /** In the order in which they were begun; as many as may be open at once. */
  readonly active: readonly ActiveFile[];
}

export interface DirectoryResult {
  readonly transferred: Amount;
  readonly skipped: Amount;
  readonly created: number;
  readonly deleted: number;
  readonly problems: number;
  readonly failed: number;
  /** The first hundred that failed. */
  readonly failures: readonly { readonly path: string; readonly error: Error }[];
  readonly movedBytes: number;
}

/** A directory on its way. Starts by itself. */
export interface DirectoryTransfer {
  /** Settles once, when nothing runs any more. With `onFailure: 'continue'` it resolves although files may have failed: see `failed`. */
  readonly done: Promise<DirectoryResult>;
  readonly state: DirectoryProgress;
  /** @returns the unsubscribe function. Called at most every 100 ms, and at every change of phase or pause. */
  subscribe(listener: (state: DirectoryProgress) => void): () => void;
  pause(): void;
  resume(): void;
}

/** Files under way at once where the limiter does not say it. */
export const FILES_AT_ONCE = 16;
