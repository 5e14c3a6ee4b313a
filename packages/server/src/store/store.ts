import type { OnceRegister } from '../signature/once.ts';
import type { DirectoryStore } from './directory-store.ts';
import type { ObjectInfo, ObjectLabels, ObjectProperties, OpenObject, Target } from './object.ts';

export type { Authority, ObjectInfo, ObjectLabels, ObjectProperties, OpenObject, Origin, Target } from './object.ts';

/**
 * SHA-1 chaining states at every multiple of `stepBytes`: entry `i` (20 bytes) is the state after `(i + 1) * stepBytes`
 * bytes (protocol section 3). The file's end is not among them: its digest is the session's `sha`.
 */
export interface Checkpoints {
  readonly stepBytes: number;
  readonly states: Uint8Array;
}

/** What a store can keep; an init chooses its slice size accordingly. */
export interface StoreLimits {
  /** Every slice but the last has at least so many bytes. */
  readonly minSliceBytes: number;
  readonly maxSliceBytes: number;
  readonly maxSlices: number;
  /** Whether slices may come in any order, or only one after another from the first. */
  readonly order: 'any' | 'ascending';
  /**
   * Whether a finish may name the SHA-1 of a file whose session has none. False where what is unfinished cannot be read. Default
   * true.
   */
  readonly checksLateSha?: boolean;
}

/** What the client that goes on with an upload says anew each time. */
export interface SessionTerms {
  /** Whether finishing may replace an object. */
  readonly overwrite: boolean;
  readonly attributes?: string | undefined;
}

/** What an upload in slices is, and stays. */
export interface SessionFacts {
  readonly target: Target;
  readonly sizeBytes: number;
  /** Of every slice but the last. */
  readonly sliceSizeBytes: number;
  readonly createdAtMs: number;
  /** Lowercase hex SHA-1 the whole file must have. */
  readonly sha?: string | undefined;
}

export interface SessionInit extends SessionFacts, SessionTerms {}

/**
 * An unfinished upload. Its slices are numbered from 0. Any number of these may stand for the same upload, in this process and
 * in others; none of them knows what has changed meanwhile until it is asked.
 *
 * All methods throw StoreError `gone` when the session has ended.
 */
export interface Session extends SessionFacts {
  /** Opaque to clients, unique for ever, and not to be guessed. */
  readonly id: string;
  readonly sliceCount: number;
  /** What is stored at this moment. */
  snapshot(): Promise<SessionSnapshot>;
  /**
   * Starts writing a slice. Any number of writers may be open for the same one; the first to commit is kept.
   *
   * @param hasMd5 whether it is known already that an MD5 comes with it, so that it is computed on the way. Default false
   */
  openSlice(index: number, hasMd5?: boolean): Promise<SliceWriter>;
  /**
   * Turns the session into the object at its target, atomically, under the latest terms, and ends it. The object is labelled
   * with the session's id.
   *
   * @throws StoreError `incomplete` when slices are missing, `mismatch` when the file has another SHA-1, `exists` when it may
   *   not overwrite, `path-conflict`; the session lives on then
   */
  complete(expected: Expectation): Promise<ObjectInfo>;
  /** Whoever goes on with the upload says anew what finishing may do. Survives a restart. */
  setTerms(terms: SessionTerms): Promise<void>;
  /** Ends the session and forgets its bytes. Nothing happens when it has ended already. */
  discard(): Promise<void>;
}

/** What a whole file must be. */
export interface Expectation {
  /**
   * Lowercase hex SHA-1. The file need not be read for that when it is the session's and every slice has been checked by the
   * session's checkpoints. Where the store's limits do not allow a late one, it is the session's.
   */
  readonly sha?: string | undefined;
}

export interface SessionSnapshot {
  readonly storedCount: number;
  /** The lowest slice that is not stored, or the number of slices. */
  readonly firstMissing: number;
  /** When a slice was last stored, by the server's clock or by the store's, or else the session's creation. */
  readonly lastActiveMs: number;
  isStored(index: number): boolean;
}

/** A place for bytes that arrive in order. Exactly one of commit/abort (or a store call that takes it) ends it. */
export interface ByteWriter {
  /**
   * Takes the next bytes, which must not be changed afterwards. A returned promise asks the caller to wait before
   * writing on.
   */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** Drops what was written. Never fails. */
  abort(): Promise<void>;
}

export interface SliceWriter extends ByteWriter {
  /**
   * Stores the slice once its bytes have been checked, as far as the session's checkpoints reach and by `md5`. The caller has
   * seen to it that they are as many as they must be. The slice stays stored when the process dies right after this resolves.
   * Bytes that are stored already come to the same; they must be the same, too.
   *
   * @throws StoreError `mismatch` when the bytes are not those that were promised, `differs` when others are stored, `busy` when
   *   another writer took over and nothing tells whether it brought the same bytes
   */
  commit(mark: SliceMark): Promise<void>;
}

export interface SliceMark {
  /** Lowercase hex MD5 that the slice must have. */
  readonly md5?: string | undefined;
  readonly atMs: number;
}

/** Bytes kept aside until it is known where they belong. */
export interface Spool extends ByteWriter {
  readonly sizeBytes: number;
  /** Reads everything written so far. */
  read(): AsyncIterable<Uint8Array>;
}

/**
 * Keeps objects and unfinished uploads. At most one session exists per target. Several processes may use one store: each
 * method is atomic, targets are independent of each other, and slices are written at any time. What else changes a target
 * (everything but slices) is called for one at a time, as far as the server's {@link Locker} reaches.
 */
export interface Store {
  readonly limits: StoreLimits;
  /** Remembers used one-time signatures as widely and as long as the store keeps its objects. */
  readonly onceRegister?: OnceRegister;
  /** Makes the place for it all: where that cannot be, it is noticed before the first request. */
  open(): Promise<void>;
  /** Starts a session, or returns the unfinished one that is already at the target. */
  createSession(init: SessionInit, checkpoints?: Checkpoints): Promise<{ created: boolean; session: Session }>;
  /**
   * The session with this id, undefined when there is none. It may have ended all the same, where to know would take a
   * request; its methods say so.
   */
  getSession(id: string): Promise<Session | undefined>;
  findSession(target: Target): Promise<Session | undefined>;
  /** All sessions, one at a time, for the sweep of stale ones. One that cannot be read is left out. */
  sessions(): AsyncIterable<Session>;

  createSpool(): Promise<Spool>;
  /** Turns a spool into the object at the target, atomically. @throws StoreError `exists`, `path-conflict` */
  putObject(target: Target, spool: Spool, labels: ObjectLabels, overwrite: boolean): Promise<ObjectInfo>;
  /**
   * Copies an object of the same bucket known to have this content to the target (instant upload). Undefined when
   * there is none, or it has changed since. @throws StoreError `exists`, `path-conflict`
   *
   * @param mayRead which objects may be copied
   */
  copyKnown(
    target: Target,
    content: { sha: string; sizeBytes: number },
    mayRead: (source: Target, info: ObjectInfo) => boolean,
    labels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo | undefined>;
  /** Fails early where putting an object would. @throws StoreError `exists`, `path-conflict` */
  checkVacant(target: Target, overwrite: boolean): Promise<void>;
  statObject(target: Target): Promise<ObjectInfo | undefined>;
  /**
   * The same for whoever is about to tell a client that its object is stored, without having stored it: another process may have
   * put it in place and died before it had forced it to the disk. Not needed where what can be seen is there to stay.
   */
  confirmObject?(target: Target): Promise<ObjectInfo | undefined>;
  openObject(target: Target): Promise<OpenObject | undefined>;
  /** Whether there was an object to delete. */
  deleteObject(target: Target): Promise<boolean>;
  /** Changes what is said of an object: what the change has, even as undefined. Undefined when there is no object. */
  describeObject(target: Target, change: ObjectProperties): Promise<ObjectInfo | undefined>;
  /**
   * Copies an object within its bucket, and what is said of it. Undefined when there is none.
   *
   * @throws StoreError `exists`, `path-conflict`, `busy` when it takes longer than clients wait: asking again goes on with it
   */
  copyObject(source: Target, target: Target, signedBy: string, overwrite: boolean): Promise<ObjectInfo | undefined>;
  /** Like copying, but the source is gone then. At no time are both missing. */
  moveObject(source: Target, target: Target, signedBy: string, overwrite: boolean): Promise<ObjectInfo | undefined>;
  readonly directories: DirectoryStore;
  /** Clears away what failures have left behind; called every few minutes. */
  tidy?(): Promise<void>;
  close(): Promise<void>;
}

/**
 * - `exists`: an object is there and may not be replaced
 * - `path-conflict`: a directory is at the path, or something other than a directory above it
 * - `gone`: the session has ended
 * - `incomplete`: slices are missing
 * - `mismatch`: the bytes are not those that were promised
 * - `differs`: other bytes are stored there, and stay
 * - `busy`: worth another try
 * - `not-empty`: something is in the directory
 * - `refused`: the storage below will never take it
 */
export type StoreProblem =
  | 'exists'
  | 'path-conflict'
  | 'gone'
  | 'incomplete'
  | 'mismatch'
  | 'differs'
  | 'busy'
  | 'not-empty'
  | 'refused';

/** The failures of a store that callers are expected to handle; anything else is a fault of the storage below. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly problem: StoreProblem;
  /** A line for the client, where there is more to say. */
  readonly detail: string | undefined;

  constructor(problem: StoreProblem, options?: ErrorOptions & { readonly detail?: string }) {
    super(`store: ${problem}`, options);
    this.problem = problem;
    this.detail = options?.detail;
  }
}
