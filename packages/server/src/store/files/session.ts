import type { FileHandle } from 'node:fs/promises';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Checkpoints,
  type ObjectInfo,
  type ObjectLabels,
  type Session,
  type SessionInit,
  StoreError,
} from '../store.ts';
import { ifPresent } from './fs-errors.ts';
import { type Journal, openJournal } from './journal.ts';
import { hasFields, isText, isTextOrNothing, readJson, writeJson } from './json-file.ts';
import { readRange } from './read-file.ts';
import { createSliceSet } from './slice-set.ts';
import { createSliceWriters } from './slice-writers.ts';
import type { FileSpool } from './spool.ts';
import { syncDirectories } from './sync.ts';
import { createWriteQueue, type WriteQueue } from './write-queue.ts';

export const FILES = { meta: 'meta.json', data: 'data', journal: 'journal', checkpoints: 'checkpoints' } as const;

/** Files of a session that nobody uses are closed after this long. */
const IDLE_MS = 2000;

/** What `meta.json` holds. */
export interface SessionMeta extends SessionInit {
  readonly id: string;
  /** Distance of the states in the file `checkpoints`, if there is one. */
  readonly checkpointStepBytes?: number | undefined;
}

/** What a session needs from the store around it. */
export interface SessionHost {
  readonly fsync: boolean;
  newSpool(): Promise<FileSpool>;
  newSpoolPath(): string;
  /** Puts the finished data file at the target; runs under the target's lock. */
  place(dataPath: string, labels: ObjectLabels, overwrite: boolean): Promise<ObjectInfo>;
  lock<T>(task: () => Promise<T>): Promise<T>;
  onEnd(): void;
}

export interface FileSession extends Session {
  closeFiles(): Promise<void>;
}

/** Opens the session in a directory. The caller makes sure that no other object stands for the same session. */
export async function openFileSession(dir: string, meta: SessionMeta, host: SessionHost): Promise<FileSession> {
  const sliceCount = Math.ceil(meta.sizeBytes / meta.sliceSizeBytes);
  const stored = createSliceSet(sliceCount);
  let terms = { overwrite: meta.overwrite, attributes: meta.attributes };
  let verifiedCount = 0;
  let lastActiveMs = meta.createdAtMs;

  interface Files {
    data: FileHandle;
    queue: WriteQueue;
    journal: Journal;
    checkpoints: Checkpoints | undefined;
    release: () => void;
  }
  let files: Promise<Files> | undefined;
  let users = 0;
  let ended = false;
  let idle: NodeJS.Timeout | undefined;

  async function openFiles(): Promise<Files> {
    const data = await open(join(dir, FILES.data), 'r+');
    try {
      const journal = await openJournal(join(dir, FILES.journal), host.fsync, (entry) => {
        if (entry.index < sliceCount && stored.add(entry.index) && entry.verified) verifiedCount++;
        lastActiveMs = Math.max(lastActiveMs, entry.atMs);
      });
      const states =
        meta.checkpointStepBytes === undefined ? undefined : await ifPresent(readFile(join(dir, FILES.checkpoints)));
      const checkpoints = states && { stepBytes: meta.checkpointStepBytes as number, states };
      return { data, queue: createWriteQueue(data), journal, checkpoints, release };
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  /** The files, open until `release` is called. */
  async function acquire(): Promise<Files> {
    if (ended) throw new StoreError('gone');
    users++;
    files ??= openFiles();
    const opening = files;
    try {
      return await opening;
    } catch (error) {
      if (files === opening) files = undefined;
      users--;
      throw error;
    }
  }

  function release(): void {
    users--;
    if (users > 0) return;
    if (ended) void closeFiles();
    else if (idle) idle.refresh();
    else {
      idle = setTimeout(() => void closeFiles(), IDLE_MS);
      idle.unref();
    }
  }

  async function closeFiles(): Promise<void> {
    if (users > 0 || !files) return;
    const closing = files;
    files = undefined;
    const { data, journal } = await closing;
    await Promise.all([data.close(), journal.close()]).catch(() => {});
  }

  /** Moves the directory away in one step, so that no half of a session is ever seen. */
  async function end(): Promise<void> {
    ended = true;
    clearTimeout(idle);
    const trash = host.newSpoolPath();
    try {
      await ifPresent(rename(dir, trash));
      if (host.fsync) await syncDirectories(dirname(dir));
    } finally {
      host.onEnd();
      await closeFiles();
    }
    // What stays there is swept away some day.
    await rm(trash, { recursive: true, force: true }).catch(() => {});
  }

  const session: FileSession = {
    ...meta,
    get overwrite() {
      return terms.overwrite;
    },
    get attributes() {
      return terms.attributes;
    },
    sliceCount,
    get storedCount() {
      return stored.count;
    },
    get verifiedCount() {
      return verifiedCount;
    },
    get lastActiveMs() {
      return lastActiveMs;
    },
    isStored: (index) => stored.has(index),
    firstMissing: () => stored.firstMissing(),
    async checkpoints() {
      if (meta.checkpointStepBytes === undefined) return undefined;
      const { checkpoints, release } = await acquire();
      release();
      return checkpoints;
    },
    openSlice: createSliceWriters({
      sizeBytes: meta.sizeBytes,
      sliceSizeBytes: meta.sliceSizeBytes,
      stored,
      acquire,
      newSpool: host.newSpool,
      async mark(index, { verified, atMs }) {
        if (ended) throw new StoreError('gone');
        const { data, journal, release } = await acquire();
        try {
          if (host.fsync) await data.datasync();
          await journal.append({ index, verified, atMs });
          if (stored.add(index) && verified) verifiedCount++;
          lastActiveMs = Math.max(lastActiveMs, atMs);
        } finally {
          release();
        }
      },
    }),
    async *read() {
      const { data, release } = await acquire();
      try {
        yield* readRange(data, 0, meta.sizeBytes);
      } finally {
        release();
      }
    },
    complete: (labels) =>
      host.lock(async () => {
        if (ended) throw new StoreError('gone');
        if (stored.count !== sliceCount) throw new Error('the session has slices that are not stored');
        const data = join(dir, FILES.data);
        // Whoever comes upon a directory that could not be moved away finds its object in place.
        const endAnyway = () => end().catch(() => {});
        const info = await host.place(data, { ...labels, session: meta.id }, terms.overwrite).catch(async (error) => {
          // Failed when the file had been put in place already.
          if (!(await ifPresent(stat(data)))) await endAnyway();
          throw error;
        });
        await endAnyway();
        return info;
      }),
    setTerms: ({ overwrite, attributes }) =>
      host.lock(async () => {
        if (ended) throw new StoreError('gone');
        if (overwrite === terms.overwrite && attributes === terms.attributes) return;
        await writeJson(join(dir, FILES.meta), host.newSpoolPath(), { ...meta, overwrite, attributes }, host.fsync);
        terms = { overwrite, attributes };
      }),
    discard: () =>
      host.lock(async () => {
        if (!ended) await end();
      }),
    closeFiles,
  };

  // Reads the journal.
  const { release: opened } = await acquire();
  opened();
  return session;
}

export async function readMeta(dir: string): Promise<SessionMeta | undefined> {
  return readJson(join(dir, FILES.meta), isMeta);
}

function isMeta(value: unknown): value is SessionMeta {
  const isCount = (field: unknown) => Number.isSafeInteger(field) && (field as number) >= 0;
  return hasFields(value, {
    id: isText,
    target: (field) => hasFields(field, { appId: isText, bucket: isText, path: isText }),
    sizeBytes: isCount,
    sliceSizeBytes: (field) => isCount(field) && field !== 0,
    overwrite: (field) => typeof field === 'boolean',
    createdAtMs: Number.isFinite,
    sha: isTextOrNothing,
    attributes: isTextOrNothing,
    checkpointStepBytes: (field) => field === undefined || isCount(field),
  });
}
