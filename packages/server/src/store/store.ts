/** Where an object lives. Names have been checked: they are safe to use as file names or keys. */
export interface Target {
  readonly appId: string;
  readonly bucket: string;
  /** Decoded, without a leading slash. */
  readonly path: string;
}

/** What is known about an object's bytes and travels with it. */
export interface ObjectLabels {
  /** Lowercase hex SHA-1 of the content, if it was verified. */
  readonly sha?: string | undefined;
  /** The upload session that made the object, so that a finish whose reply was lost can be answered again. */
  readonly session?: string | undefined;
  /** The client's `biz_attr`. */
  readonly attributes?: string | undefined;
}

export interface ObjectInfo extends ObjectLabels {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  /** Changes whenever the content does. */
  readonly revision: string;
}

/**
 * SHA-1 chaining states at every multiple of `stepBytes`: entry `i` (20 bytes) is the state after `(i + 1) * stepBytes`
 * bytes (protocol section 3). The file's end is not among them: its digest is the session's `sha`.
 */
export interface Checkpoints {
  readonly stepBytes: number;
  readonly states: Uint8Array;
}

/** What an upload in slices is, as it begins. */
export interface SessionInit {
  readonly target: Target;
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
  /** Whether finishing may replace an object. */
  readonly overwrite: boolean;
  readonly createdAtMs: number;
  /** Lowercase hex SHA-1 the whole file must have. */
  readonly sha?: string | undefined;
  readonly attributes?: string | undefined;
}

/** An unfinished upload. Its slices are numbered from 0; each but the last has `sliceSizeBytes`. */
export interface Session extends SessionInit {
  /** Opaque to clients; unique for ever. */
  readonly id: string;
  readonly sliceCount: number;
  readonly storedCount: number;
  /** Slices that were stored with `verified`. */
  readonly verifiedCount: number;
  /** When a slice was last stored, or else the session's creation. */
  readonly lastActiveMs: number;
  isStored(index: number): boolean;
  /** The lowest slice that is not stored, or `sliceCount`. */
  firstMissing(): number;
  checkpoints(): Promise<Checkpoints | undefined>;
  /**
   * Starts writing a slice. Any number of writers may be open for the same slice; the first to commit is kept, and a
   * stored slice is never written again.
   */
  openSlice(index: number): Promise<SliceWriter>;
  /** The bytes from the start; only for a session whose slices are all stored. */
  read(): AsyncIterable<Uint8Array>;
  /**
   * Turns a session whose slices are all stored into the object at its target, atomically, and ends the session.
   *
   * @throws StoreError `exists` when it may not overwrite, `path-conflict`; the session lives on then
   */
  complete(labels: ObjectLabels): Promise<ObjectInfo>;
  /** Whoever goes on with the upload says anew what finishing may do. Survives a restart. */
  setTerms(terms: Pick<SessionInit, 'overwrite' | 'attributes'>): Promise<void>;
  /** Ends the session and forgets its bytes. */
  discard(): Promise<void>;
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

/** Bytes in an open file. */
export interface FileRange {
  readonly fd: number;
  readonly startBytes: number;
  /** Exclusive. */
  readonly endBytes: number;
}

export interface SliceWriter extends ByteWriter {
  /**
   * Where the bytes are, once all that came are written; they may be read until commit or abort. When the slice is stored
   * already, or another writer took over, which may happen at any time: where the bytes are that are stored instead.
   *
   * @throws StoreError `busy` when another writer took over and failed
   */
  written(): Promise<FileRange>;
  /**
   * Marks the slice stored once its bytes are. The caller has checked that they are complete; the mark is kept when
   * the process dies right after this resolves. When the slice is stored already, nothing is written.
   *
   * @throws StoreError `gone` when the session ended meanwhile, `differs` when other bytes are stored, `busy` when another
   *   writer took over, unless `written` has shown what that one stored
   */
  commit(mark: { readonly verified: boolean; readonly atMs: number }): Promise<void>;
}

/** Bytes kept aside until it is known where they belong. */
export interface Spool extends ByteWriter {
  readonly sizeBytes: number;
  /** Reads everything written so far. */
  read(): AsyncIterable<Uint8Array>;
}

/** An object opened for reading: all reads see the same content, even if the object is replaced meanwhile. */
export interface OpenObject {
  readonly info: ObjectInfo;
  /** Bytes `start` to `end` inclusive; ends the object's use when read to the end or destroyed. */
  stream(start: number, end: number): NodeJS.ReadableStream & { destroy(): void };
  close(): Promise<void>;
}

/**
 * Keeps objects and unfinished uploads. At most one session exists per target. Every method may be called
 * concurrently; targets are independent of each other.
 */
export interface Store {
  /** Makes the place for it all: where that cannot be, it is noticed before the first request. */
  open(): Promise<void>;
  /** Starts a session, or returns the unfinished one that is already at the target. */
  createSession(init: SessionInit, checkpoints?: Checkpoints): Promise<{ created: boolean; session: Session }>;
  getSession(id: string): Promise<Session | undefined>;
  findSession(target: Target): Promise<Session | undefined>;
  /** All sessions, one at a time, for the sweep of stale ones. */
  sessions(): AsyncIterable<Session>;

  createSpool(): Promise<Spool>;
  /** Turns a spool into the object at the target, atomically. @throws StoreError `exists`, `path-conflict` */
  putObject(target: Target, spool: Spool, labels: ObjectLabels, overwrite: boolean): Promise<ObjectInfo>;
  /**
   * Copies an object of the same bucket known to have this content to the target (instant upload). Undefined when
   * there is none, or it has changed since. @throws StoreError `exists`, `path-conflict`
   */
  copyKnown(
    target: Target,
    content: { sha: string; sizeBytes: number },
    labels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo | undefined>;
  /** Fails early where putting an object would. @throws StoreError `exists`, `path-conflict` */
  checkVacant(target: Target, overwrite: boolean): Promise<void>;
  statObject(target: Target): Promise<ObjectInfo | undefined>;
  openObject(target: Target): Promise<OpenObject | undefined>;
  /** Whether there was an object to delete. */
  deleteObject(target: Target): Promise<boolean>;
  /** Clears away what failures have left behind; called every few minutes. */
  tidy?(): Promise<void>;
  close(): Promise<void>;
}

/**
 * - `exists`: an object is there and may not be replaced
 * - `path-conflict`: a directory is at the path, or something other than a directory above it
 * - `gone`: the session has ended
 * - `differs`: other bytes are stored there, and stay
 * - `busy`: worth another try
 */
export type StoreProblem = 'exists' | 'path-conflict' | 'gone' | 'differs' | 'busy';

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
