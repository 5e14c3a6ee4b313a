import { randomBytes } from 'node:crypto';
import { mkdir, opendir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Checkpoints, type SessionInit, type Store, StoreError } from '../store.ts';
import { hasCode, ifPresent } from './fs-errors.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { createKnownCopies, type KnownCopies } from './known-copies.ts';
import { createLayout, type Layout, targetHash } from './layout.ts';
import { createObjects, type Objects } from './objects.ts';
import { FILES, type FileSession, openFileSession, readMeta, type SessionMeta } from './session.ts';
import { createFileSpool, type FileSpool } from './spool.ts';
import { isOld, removeAside, sweepSpool } from './sweep.ts';
import { syncDirectories } from './sync.ts';

export interface FileStoreOptions {
  /**
   * Forces data to the disk before it is acknowledged, so that it survives a power failure too. Without it nothing
   * acknowledged is lost when the process dies. Default false.
   */
  readonly fsync?: boolean;
}

/**
 * Keeps each object as a plain file at `<dir>/<appid>/<bucket>/<path>` and everything else below `<dir>/.cos-slice/`.
 * One process at a time may use a directory.
 */
export function fileStore(dir: string, options: FileStoreOptions = {}): Store {
  const fsync = options.fsync ?? false;
  const lock = createKeyedLock();
  const loaded = new Map<string, Promise<FileSession | undefined>>();
  let opening: Promise<Root> | undefined;

  const ready = () =>
    (opening ??= openRoot(resolve(dir), fsync).catch((error) => {
      opening = undefined;
      throw error;
    }));

  const newSpool = async (): Promise<FileSpool> => createFileSpool((await ready()).layout.newSpoolPath());

  /** One object stands for a session as long as the process lives: its writers must know of each other. */
  async function load(hash: string): Promise<FileSession | undefined> {
    const known = loaded.get(hash);
    if (known) return known;
    const loading = open(hash);
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

  async function open(hash: string): Promise<FileSession | undefined> {
    const { layout, objects } = await ready();
    const dir = layout.sessionDir(hash);
    const meta = await readMeta(dir);
    if (!meta) return undefined;
    // A crash after the object was put in place and before the session was removed.
    const isFinished = (await objects.stat(meta.target))?.session === meta.id;
    if (isFinished || !(await ifPresent(stat(join(dir, FILES.data))))) {
      await rm(dir, { recursive: true, force: true });
      return undefined;
    }
    return openFileSession(dir, meta, {
      fsync,
      newSpool,
      newSpoolPath: layout.newSpoolPath,
      place: (dataPath, labels, overwrite) => objects.place(dataPath, meta.target, labels, overwrite),
      lock: (task) => lock(hash, task),
      onEnd: () => loaded.delete(hash),
    });
  }

  async function create(hash: string, init: SessionInit, checkpoints: Checkpoints | undefined): Promise<FileSession> {
    const { layout } = await ready();
    const id = hash + randomBytes(12).toString('hex');
    const meta: SessionMeta = { ...init, id, checkpointStepBytes: checkpoints?.stepBytes };
    const draft = layout.newSpoolPath();
    await mkdir(draft);
    const write = (name: string, content: string | Uint8Array) =>
      writeFile(join(draft, name), content, { flush: fsync });
    try {
      if (checkpoints) await write(FILES.checkpoints, checkpoints.states);
      await write(FILES.data, '');
      await write(FILES.journal, '');
      await write(FILES.meta, JSON.stringify(meta));
      await rename(draft, layout.sessionDir(hash)).catch(async (error) => {
        if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
        // Another server's, or what a power failure has left of one that nobody can read any more.
        if (await readMeta(layout.sessionDir(hash))) throw new StoreError('busy', { cause: error });
        await removeAside(layout.sessionDir(hash), layout.newSpoolPath());
        await rename(draft, layout.sessionDir(hash));
      });
    } catch (error) {
      await rm(draft, { recursive: true, force: true }).catch(() => {});
      throw error;
    }
    if (fsync) await syncDirectories(layout.sessionDir(hash), layout.sessions);
    // The first answer may be that of a look that began before the session was there.
    const session = (await load(hash)) ?? (await load(hash));
    if (!session) throw new Error('a session vanished while it was created');
    return session;
  }

  return {
    async open() {
      await ready();
    },
    createSession(init, checkpoints) {
      const hash = targetHash(init.target);
      return lock(hash, async () => {
        const existing = await load(hash);
        if (existing) return { created: false, session: existing };
        return { created: true, session: await create(hash, init, checkpoints) };
      });
    },
    async getSession(id) {
      if (!/^[0-9a-f]{64}$/.test(id)) return undefined;
      const session = await load(id.slice(0, 40));
      return session?.id === id ? session : undefined;
    },
    findSession: (target) => load(targetHash(target)),
    async *sessions() {
      const { layout } = await ready();
      for await (const entry of await opendir(layout.sessions)) {
        // One that cannot be read must not hide the others.
        const session = await load(entry.name).catch(() => undefined);
        if (!session) {
          await lock(entry.name, () => dropUnreadable(layout, entry.name)).catch(() => {});
          continue;
        }
        yield session;
        // Looking at all of them must not open the files of all of them.
        await session.closeFiles();
      }
    },

    createSpool: newSpool,
    async putObject(target, spool, labels, overwrite) {
      const { objects } = await ready();
      const path = await (spool as FileSpool).release(fsync);
      return lock(targetHash(target), () => objects.place(path, target, labels, overwrite)).finally(() =>
        spool.abort(),
      );
    },
    async copyKnown(target, content, labels, overwrite) {
      const { objects, copies } = await ready();
      await objects.checkVacant(target, overwrite);
      const copy = await copies.of(target, content);
      if (!copy) return undefined;
      return lock(targetHash(target), async () => {
        const path = copy.take();
        if (path !== undefined) {
          const placed = objects.place(path, target, { ...labels, sha: content.sha }, overwrite);
          return placed.finally(() => rm(path, { force: true }));
        }
        // A request that asked for the same has put it there.
        const info = await objects.stat(target);
        if (info?.sha !== content.sha) throw new StoreError('busy');
        return info;
      });
    },
    async checkVacant(target, overwrite) {
      await (await ready()).objects.checkVacant(target, overwrite);
    },
    async statObject(target) {
      return (await ready()).objects.stat(target);
    },
    async openObject(target) {
      return (await ready()).objects.open(target);
    },
    async deleteObject(target) {
      const { objects } = await ready();
      return lock(targetHash(target), () => objects.delete(target));
    },
    async tidy() {
      await sweepSpool((await ready()).layout);
    },
    async close() {
      await (await opening)?.copies.close();
      for (const loading of loaded.values()) await (await loading.catch(() => undefined))?.closeFiles();
      loaded.clear();
    },
  };
}

interface Root {
  readonly layout: Layout;
  readonly objects: Objects;
  readonly copies: KnownCopies;
}

async function openRoot(dir: string, fsync: boolean): Promise<Root> {
  await makeDirectory(dir, fsync);
  // Links above the root are the owner's business; below it, real paths and plain ones must be the same.
  const layout = createLayout(await realpath(dir));
  for (const own of [layout.sessions, layout.objects, layout.content, layout.spool]) await makeDirectory(own, fsync);
  await sweepSpool(layout).catch(() => {});
  const objects = createObjects(layout, fsync);
  return { layout, objects, copies: createKnownCopies(objects.copyKnown) };
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
