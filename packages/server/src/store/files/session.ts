import { createHash } from 'node:crypto';
import { link, lstat, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ObjectInfo, type ObjectLabels, type Session, StoreError } from '../store.ts';
import { hasCode, ifPresent, NO_LINKS } from './fs-errors.ts';
import { writeJson } from './json-file.ts';
import { readRange } from './read-file.ts';
import {
  FILES,
  type FilesHost,
  openSessionFiles,
  readMeta,
  type SessionFiles,
  type SessionMeta,
  sliceCountOf,
} from './session-files.ts';
import { syncDirectories } from './sync.ts';

/** Files of a session that nobody uses are closed after this long. */
const IDLE_MS = 2000;

/** What a session needs from the store around it. */
export interface SessionHost extends FilesHost {
  newSpoolPath(): string;
  /** Puts the finished data file at the target. */
  place(dataPath: string, labels: ObjectLabels, overwrite: boolean): Promise<ObjectInfo>;
  lock<T>(task: () => Promise<T>): Promise<T>;
  /** The same, for a change of the object at the target. */
  lockObject<T>(task: () => Promise<T>): Promise<T>;
}

export interface FileSession extends Session {
  /** Whether its files are open and those of the session. If not, only a look at the directory tells what is there. */
  isCurrent(): boolean;
  closeFiles(): Promise<void>;
}

/** The session in a directory, its files open. @throws StoreError `gone` when it is not there any more */
export async function openFileSession(dir: string, meta: SessionMeta, host: SessionHost): Promise<FileSession> {
  const sliceCount = sliceCountOf(meta);
  let opening: Promise<SessionFiles> | undefined;
  let opened: SessionFiles | undefined;
  let users = 0;
  let ended = false;
  let idle: NodeJS.Timeout | undefined;

  /** The files, open until `release` is called. */
  async function acquire(): Promise<SessionFiles> {
    if (ended) throw new StoreError('gone');
    users++;
    opening ??= openSessionFiles(dir, meta, host);
    const mine = opening;
    try {
      const files = await mine;
      if (opening === mine) opened = files;
      return files;
    } catch (error) {
      if (opening === mine && opened === undefined) opening = undefined;
      release();
      throw error;
    }
  }

  function release(): void {
    users--;
    if (users > 0 || !opening) return;
    if (ended) void closeFiles();
    else if (idle) idle.refresh();
    else {
      idle = setTimeout(() => void closeFiles(), IDLE_MS);
      idle.unref();
    }
  }

  async function closeFiles(): Promise<void> {
    if (users > 0 || !opening) return;
    clearTimeout(idle);
    idle = undefined;
    const closing = opening;
    opening = undefined;
    opened = undefined;
    await closing.then((files) => files.close()).catch(() => {});
  }

  async function use<T>(task: (files: SessionFiles) => Promise<T> | T): Promise<T> {
    const files = await acquire();
    try {
      if (!files.isInPlace()) throw new StoreError('gone');
      return await task(files);
    } finally {
      release();
    }
  }

  /** What is in the directory now; another process may have changed the terms, or ended it and begun anew. */
  async function readCurrent(): Promise<SessionMeta> {
    const current = ended ? undefined : await readMeta(dir);
    if (current?.id !== meta.id) throw new StoreError('gone');
    return current;
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
      await closeFiles();
    }
    // What stays there is swept away some day.
    await rm(trash, { recursive: true, force: true }).catch(() => {});
  }

  /** Slices that are stored never change, so this needs no lock. */
  async function checkWhole({ data, ledger }: SessionFiles, sha: string | undefined): Promise<void> {
    ledger.refresh();
    if (ledger.stored.count !== sliceCount) throw new StoreError('incomplete');
    const isVerified = sha === meta.sha && ledger.verified.count === sliceCount && sliceCount > 0;
    if (sha === undefined || isVerified) return;
    const hash = createHash('sha1');
    for await (const chunk of readRange(data, 0, meta.sizeBytes)) hash.update(chunk);
    if (hash.digest('hex') !== sha) throw new StoreError('mismatch');
  }

  /**
   * Gives the data a name of its own, and looks whether it is ours: at any moment another process may end this session, and begin
   * another one in a directory of the same name. What has a name in there only could be that one's.
   */
  async function claim(files: SessionFiles): Promise<{ path: string; giveBack(): Promise<void> }> {
    const data = join(dir, FILES.data);
    const path = host.newSpoolPath();
    const isLinked = await link(data, path).then(
      () => true,
      (error) => {
        if (!hasCode(error, ...NO_LINKS)) throw error;
        return false;
      },
    );
    if (!isLinked) await rename(data, path);
    const giveBack = (): Promise<void> => (isLinked ? rm(path, { force: true }) : rename(path, data));
    const [own, claimed] = await Promise.all([files.data.stat({ bigint: true }), lstat(path, { bigint: true })]);
    if (claimed.ino === own.ino && claimed.dev === own.dev) return { path, giveBack };
    await giveBack();
    throw new StoreError('gone');
  }

  async function place(files: SessionFiles, sha: string | undefined): Promise<ObjectInfo> {
    const { overwrite, attributes } = await readCurrent();
    // Whoever comes upon a directory that could not be moved away finds its object in place.
    const endAnyway = () => end().catch(() => {});
    const { path, giveBack } = await claim(files).catch(async (error) => {
      if (!hasCode(error, 'ENOENT')) throw error;
      // Without its data, which a process that died had in its hands, it is of no use to anybody.
      if ((await readMeta(dir))?.id === meta.id) await endAnyway();
      throw new StoreError('gone', { cause: error });
    });
    const info = await host.place(path, { sha, attributes, session: meta.id }, overwrite).catch(async (error) => {
      // Failed when the file had been put in place already, or else it is still there.
      if (await ifPresent(stat(path))) await giveBack().catch(() => {});
      else await endAnyway();
      throw error;
    });
    // What a second name of the object's own file leaves behind.
    await rm(path, { force: true }).catch(() => {});
    await endAnyway();
    return info;
  }

  const { id, target, sizeBytes, sliceSizeBytes, createdAtMs, sha } = meta;
  const session: FileSession = {
    id,
    target,
    sizeBytes,
    sliceSizeBytes,
    createdAtMs,
    sha,
    sliceCount,
    snapshot: () =>
      use(({ ledger }) => {
        ledger.refresh();
        const stored = ledger.stored.copy();
        return {
          storedCount: stored.count,
          firstMissing: stored.firstMissing(),
          lastActiveMs: ledger.lastActiveMs,
          isStored: stored.has,
        };
      }),
    async openSlice(index) {
      // Whether the session still is there is looked at when the slice is put on record.
      const files = await acquire();
      return files.openSlice(index, release).catch((error) => {
        release();
        throw error;
      });
    },
    complete: (expected) =>
      use(async (files) => {
        await checkWhole(files, expected.sha);
        return host.lockObject(() => place(files, expected.sha));
      }),
    setTerms: ({ overwrite, attributes }) =>
      host.lock(async () => {
        const current = await readCurrent();
        if (overwrite === current.overwrite && attributes === current.attributes) return;
        const changed = { ...current, overwrite, attributes };
        await writeJson(join(dir, FILES.meta), host.newSpoolPath(), changed, host.fsync).catch((error) => {
          throw hasCode(error, 'ENOENT') ? new StoreError('gone', { cause: error }) : error;
        });
      }),
    discard: () =>
      host.lock(async () => {
        if (!ended && (await readMeta(dir))?.id === id) await end();
      }),
    isCurrent: () => !ended && (opened?.isInPlace() ?? false),
    closeFiles,
  };

  // Reads what is stored.
  await use(() => {});
  return session;
}
