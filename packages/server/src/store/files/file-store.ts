import { randomBytes } from 'node:crypto';
import { lstat, mkdir, opendir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createChecker } from '../../integrity/checker.ts';
import { createLocker, lockAll } from '../../locker.ts';
import { fileOnceRegister } from '../../signature/once-files.ts';
import type { DirectoryStore } from '../directory-store.ts';
import { type Checkpoints, type SessionInit, type Store, StoreError, type StoreLimits, type Target } from '../store.ts';
import { createDirectories } from './directories.ts';
import { createFolders, isCreated } from './folders.ts';
import { hasCode, ifPresent } from './fs-errors.ts';
import { createKnownCopies, type KnownCopies } from './known-copies.ts';
import { createLabels } from './labels.ts';
import { createLayout, type Layout, targetHash } from './layout.ts';
import { createMoves } from './moves.ts';
import { createObjects, type Ground, type Objects } from './objects.ts';
import { createReach } from './reach.ts';
import { type FileSession, openFileSession, type SessionHost } from './session.ts';
import { FILES, readMeta, type SessionMeta } from './session-files.ts';
import { createHolderNames } from './slice-ledger.ts';
import { createSmallFiles, type SmallFiles } from './small-files.ts';
import { createSpace } from './space.ts';
import { createFileSpool, createSmallSpool, type FileSpool, type ObjectSpool } from './spool.ts';
import { isOld, removeAside, sweepSpool } from './sweep.ts';
import { syncDirectories } from './sync.ts';

/** Four MiB of bits for a session, and slices of any size. */
const LIMITS: StoreLimits = {
  minSliceBytes: 1,
  maxSliceBytes: Number.MAX_SAFE_INTEGER,
  maxSlices: 2 ** 25,
  order: 'any',
};

/** A bound, not a policy. */
const MAX_REMEMBERED = 10_000;

export interface FileStoreOptions {
  /**
   * Forces data to the disk before it is acknowledged, so that it survives a power failure too. Without it nothing
   * acknowledged is lost when the process dies. Default false.
   */
  readonly fsync?: boolean;
  /**
   * What has to be free on the disk for an upload to begin, in bytes; less is refused with 503 before anything is sent. What is
   * under way goes on. Default 64 MiB.
   */
  readonly minFreeBytes?: number;
}

/**
 * Keeps each object as a plain file at `<dir>/<appid>/<bucket>/<path>` and everything else below `<dir>/.cos-slice/`.
 * Several processes of one machine may use a directory at the same time.
 *
 * @throws TypeError that names every option that cannot be used
 */
export function fileStore(dir: string, options: FileStoreOptions = {}): Store {
  checkOptions(dir, options);
  const fsync = options.fsync ?? false;
  const space = createSpace(options.minFreeBytes);
  const locker = createLocker();
  const { withLock } = locker;
  const moves = createMoves();
  const checker = createChecker();
  const newHolder = createHolderNames();
  const loaded = new Map<string, Promise<FileSession | undefined>>();
  /** Sessions whose names this process has forced to the disk. */
  const forced = new Set<string>();
  let opening: Promise<Root> | undefined;

  const ready = () =>
    (opening ??= openRoot(resolve(dir), fsync).catch((error) => {
      opening = undefined;
      throw error;
    }));

  const lockPaths = <T>(targets: readonly Target[], task: () => Promise<T>): Promise<T> =>
    lockAll(locker, targets.map(targetHash), task);

  /** Runs a change of what is at these paths. */
  const changeAt = <T>(targets: readonly Target[], task: () => Promise<T>): Promise<T> =>
    lockPaths(targets, () => moves.change(targets, task));

  const newSpool = async (): Promise<FileSpool> => createFileSpool((await ready()).layout.newSpoolPath());

  /**
   * The session in the directory of that name. While its files are open the same object stands for it, so that its writers can
   * ask each other to let go; writers of other processes take longer.
   */
  async function load(hash: string): Promise<FileSession | undefined> {
    const known = loaded.get(hash);
    if (known && (await known.catch(() => undefined))?.isCurrent()) return known;
    if (loaded.get(hash) !== known) return load(hash);
    // Somebody has ended it, and what stood for it is not to keep its files until nobody remembers them.
    known?.then((session) => session?.closeFiles()).catch(() => {});
    const loading = openSession(hash);
    loaded.set(hash, loading);
    const forget = () => {
      if (loaded.get(hash) === loading) loaded.delete(hash);
    };
    const session = await loading.catch((error) => {
      forget();
      throw error;
    });
    if (!session) forget();
    return session;
  }

  async function openSession(hash: string): Promise<FileSession | undefined> {
    const { layout, objects } = await ready();
    const dir = layout.sessionDir(hash);
    const meta = await readMeta(dir);
    if (!meta) return undefined;
    // A crash after the object was put in place and before the session was removed.
    const isFinished = (await objects.stat(meta.target))?.session === meta.id;
    if (isFinished) await objects.confirm(meta.target);
    if (isFinished || !(await ifPresent(stat(join(dir, FILES.data))))) {
      // Another process may have begun anew there meanwhile.
      if ((await readMeta(dir))?.id === meta.id) await removeAside(dir, layout.newSpoolPath());
      return undefined;
    }
    // Whoever has made it may have died before it had forced it: what is acknowledged in it must not be lost with its name.
    if (fsync && !forced.has(meta.id)) await forceSession(dir, meta.id);
    const host: SessionHost = {
      fsync,
      checker,
      newHolder,
      newSpool,
      newSpoolPath: layout.newSpoolPath,
      place: (dataPath, labels, overwrite) => objects.place(dataPath, meta.target, labels, overwrite),
      lock: (task) => withLock(hash, task),
      lockObject: (task) => changeAt([meta.target], task),
    };
    return openFileSession(dir, meta, host).catch((error) => {
      if (error instanceof StoreError && error.problem === 'gone') return undefined;
      throw error;
    });
  }

  async function forceSession(dir: string, id: string): Promise<void> {
    await syncDirectories(dir, dirname(dir));
    if (forced.size > MAX_REMEMBERED) forced.clear();
    forced.add(id);
  }

  /** Undefined when there is one already. */
  async function create(
    hash: string,
    init: SessionInit,
    checkpoints: Checkpoints | undefined,
  ): Promise<FileSession | undefined> {
    const { layout } = await ready();
    const id = hash + randomBytes(12).toString('hex');
    const meta: SessionMeta = { ...init, id, checkpointStepBytes: checkpoints?.stepBytes };
    const dir = layout.sessionDir(hash);
    const draft = layout.newSpoolPath();
    await mkdir(draft);
    const write = (name: string, content: string | Uint8Array) =>
      writeFile(join(draft, name), content, { flush: fsync });
    try {
      if (checkpoints) await write(FILES.checkpoints, checkpoints.states);
      await write(FILES.data, '');
      await write(FILES.journal, '');
      await write(FILES.meta, JSON.stringify(meta));
      // What a power failure has left of one that nobody can read any more.
      if ((await ifPresent(lstat(dir))) && !(await readMeta(dir))) await removeAside(dir, layout.newSpoolPath());
      await rename(draft, dir);
    } catch (error) {
      await rm(draft, { recursive: true, force: true }).catch(() => {});
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return undefined;
      throw error;
    }
    if (fsync) await forceSession(dir, id);
    // The first answer may be that of a look that began before the session was there; and by now another process may have ended
    // it and begun one of its own.
    const session = (await load(hash)) ?? (await load(hash));
    return session?.id === id ? session : undefined;
  }

  return {
    limits: LIMITS,
    onceRegister: fileOnceRegister(async () => (await ready()).layout.once, fsync),
    async open() {
      await ready();
    },
    async createSession(init, checkpoints) {
      await space.check((await ready()).layout.root);
      const hash = targetHash(init.target);
      return withLock(hash, async () => {
        for (let attempts = 0; attempts < 3; attempts++) {
          const existing = await load(hash);
          if (existing) return { created: false, session: existing };
          const session = await create(hash, init, checkpoints);
          if (session) return { created: true, session };
        }
        throw new StoreError('busy');
      });
    },
    async getSession(id) {
      if (!/^[0-9a-f]{64}$/.test(id)) return undefined;
      const hash = id.slice(0, 40);
      // Its methods notice when it has ended.
      const known = await loaded.get(hash)?.catch(() => undefined);
      const session = known?.id === id ? known : await load(hash);
      return session?.id === id ? session : undefined;
    },
    findSession: (target) => load(targetHash(target)),
    async *sessions() {
      const { layout } = await ready();
      for await (const entry of await opendir(layout.sessions)) {
        // One that cannot be read must not hide the others.
        const session = await load(entry.name).catch(() => undefined);
        if (!session) {
          await withLock(entry.name, () => dropUnreadable(layout, entry.name)).catch(() => {});
          continue;
        }
        yield session;
        // Looking at all of them must not open the files of all of them.
        await session.closeFiles();
      }
    },

    async createSpool() {
      const { layout, smallFiles } = await ready();
      await space.check(layout.root);
      const room = smallFiles?.enter();
      return room ? createSmallSpool(room, newSpool) : newSpool();
    },
    async putObject(target, spool, labels, overwrite) {
      const { objects, smallFiles } = await ready();
      const { room, sizeBytes, handOver } = spool as ObjectSpool;
      try {
        const placed =
          room && (await changeAt([target], async () => smallFiles?.place(room, sizeBytes, target, labels, overwrite)));
        if (placed) return placed;
        return await handOver(fsync, (path) =>
          changeAt([target], () => objects.place(path, target, labels, overwrite)),
        );
      } finally {
        await spool.abort();
      }
    },
    async copyKnown(target, { sha, sizeBytes }, mayRead, labels, overwrite) {
      const { objects, copies } = await ready();
      await objects.checkVacant(target, overwrite);
      const source = await objects.holderOf(target, sha);
      const info = source && (await objects.stat(source));
      if (!info || !mayRead(source, info)) return undefined;
      const copy = await copies.of(target, { source, sha, sizeBytes });
      if (!copy) return undefined;
      return changeAt([target], async () => {
        const path = copy.take();
        if (path !== undefined) {
          const placed = objects.place(path, target, { ...labels, sha }, overwrite);
          return placed.finally(() => rm(path, { force: true }));
        }
        // A request that asked for the same has put it there.
        const there = await objects.confirm(target);
        if (there?.sha !== sha) throw new StoreError('busy');
        return there;
      });
    },
    async checkVacant(target, overwrite) {
      await (await ready()).objects.checkVacant(target, overwrite);
    },
    async statObject(target) {
      return (await ready()).objects.stat(target);
    },
    async confirmObject(target) {
      return (await ready()).objects.confirm(target);
    },
    async openObject(target) {
      return (await ready()).objects.open(target);
    },
    async deleteObject(target) {
      const { objects } = await ready();
      return changeAt([target], () => objects.delete(target));
    },
    async describeObject(target, change) {
      const { objects } = await ready();
      return changeAt([target], () => objects.describe(target, change));
    },
    async copyObject(source, target, signedBy, overwrite) {
      const { objects, copies } = await ready();
      const inherited = await objects.heritage(source, signedBy);
      if (!inherited) return undefined;
      await objects.checkVacant(target, overwrite);
      const copy = await copies.of(target, inherited.content);
      return changeAt([target], async () => {
        const path = copy?.take();
        // Somebody has changed the source meanwhile, or was faster.
        if (path === undefined) throw new StoreError('busy');
        return objects.place(path, target, inherited.labels, overwrite).finally(() => rm(path, { force: true }));
      });
    },
    async moveObject(source, target, signedBy, overwrite) {
      const { objects } = await ready();
      return changeAt([source, target], () => objects.move(source, target, signedBy, overwrite));
    },
    directories: {
      list: async (target, request) => (await ready()).folders.list(target, request),
      stat: async (target) => (await ready()).folders.stat(target),
      async create(target, labels) {
        const { folders } = await ready();
        await changeAt([target], () => folders.create(target, labels));
      },
      async describe(target, attributes) {
        const { folders } = await ready();
        return changeAt([target], () => folders.describe(target, attributes));
      },
      async move(source, target, signedBy) {
        const { folders } = await ready();
        const both = [source, target];
        return lockPaths(both, () => moves.move(both, () => folders.move(source, target, signedBy)));
      },
      async delete(target) {
        const { folders } = await ready();
        return changeAt([target], () => folders.delete(target));
      },
    },
    async tidy() {
      await sweepSpool((await ready()).layout);
    },
    async close() {
      await (await opening)?.copies.close();
      await (await opening)?.smallFiles?.close();
      for (const loading of loaded.values()) await (await loading.catch(() => undefined))?.closeFiles();
      loaded.clear();
      await checker.close();
    },
  };
}

function checkOptions(dir: unknown, { fsync, minFreeBytes }: FileStoreOptions): void {
  const issues: string[] = [];
  // An empty name, such as an unset variable gives, would be the current directory.
  if (typeof dir !== 'string' || dir === '') issues.push('dir: must be the path of a directory');
  if (fsync !== undefined && typeof fsync !== 'boolean') issues.push('fsync: must be true or false');
  if (minFreeBytes !== undefined && !(Number.isSafeInteger(minFreeBytes) && minFreeBytes >= 0)) {
    issues.push('minFreeBytes: must be a whole number');
  }
  if (issues.length > 0) throw new TypeError(`fileStore: ${issues.join('; ')}`);
}

interface Root {
  readonly layout: Layout;
  readonly objects: Objects;
  readonly folders: DirectoryStore;
  readonly copies: KnownCopies;
  /** None where each has to be forced to the disk: there is nothing to gain beside that. */
  readonly smallFiles: SmallFiles | undefined;
}

async function openRoot(dir: string, fsync: boolean): Promise<Root> {
  await makeDirectory(dir, fsync);
  // Links above the root are the owner's business; below it, real paths and plain ones must be the same.
  const layout = createLayout(await realpath(dir));
  for (const own of [layout.sessions, layout.objects, layout.directories, layout.content, layout.spool]) {
    await makeDirectory(own, fsync);
  }
  await sweepSpool(layout).catch(() => {});
  const ground: Ground = {
    layout,
    labels: createLabels(layout, fsync),
    directories: createDirectories(layout.root, fsync, (dir) => isCreated(layout, dir)),
    reach: createReach(layout),
    fsync,
  };
  const objects = createObjects(ground);
  return {
    layout,
    objects,
    folders: createFolders(ground, objects),
    copies: createKnownCopies(objects.copyKnown),
    smallFiles: fsync ? undefined : createSmallFiles(layout, ground.labels),
  };
}

/** A session whose `meta.json` is broken: nothing leads to it any more. */
async function dropUnreadable(layout: Layout, hash: string): Promise<void> {
  const dir = layout.sessionDir(hash);
  if (!(await isOld(dir)) || (await readMeta(dir))) return;
  await removeAside(dir, layout.newSpoolPath());
}

/** With the directories above. node's own way of doing that never ends below one such as /proc. */
async function makeDirectory(dir: string, fsync: boolean): Promise<void> {
  if ((await ifPresent(stat(dir)))?.isDirectory()) return;
  if (dirname(dir) !== dir) await makeDirectory(dirname(dir), fsync);
  await mkdir(dir).catch(async (error) => {
    // Somebody else may be making it.
    if (!hasCode(error, 'EEXIST') || !(await stat(dir)).isDirectory()) throw error;
  });
  if (fsync) await syncDirectories(dirname(dir));
}
