import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname } from 'node:path';
import { onTestFinished } from 'vitest';

/** Something that is about to be done to a file below the watched directory, or asked whether it could be. */
export interface DiskCall {
  readonly name: string;
  readonly path: string;
  /** The new name, for those that have one. */
  readonly to?: string | undefined;
}

export interface WatchedDisk {
  /** Every call that changed or forced something, so far. */
  readonly calls: DiskCall[];
  /** Called before each of them. May throw, as a failing disk does, or never resolve, as for a process that is killed there. */
  before: (call: DiskCall) => void | Promise<void>;
  /** Lets go of the disk, and closes the files that a process that was killed has left open. */
  stop(): Promise<void>;
  /** Files and directories that a power failure could still take back, relative to the watched directory. */
  unsynced(): string[];
}

interface Node {
  isDirty: boolean;
}

type Any = (...args: never[]) => unknown;
type Flags = string | number | undefined;

/**
 * Watches what this process does to the files below a directory through `node:fs/promises`, until the test ends. Every
 * file and every directory counts as unsynced from when its bytes or its names change until it is forced to the disk.
 */
export async function watchDisk(root: string): Promise<WatchedDisk> {
  const nodes = new Map<string, Node>();
  const opened = new WeakMap<FileHandle, { node: Node; path: string }>();
  const byFd = new Map<number, { node: Node; path: string }>();
  const files = new Set<FileHandle>();
  const undo: (() => void)[] = [];
  const disk: WatchedDisk = {
    calls: [],
    before: () => {},
    async stop() {
      for (const each of undo.splice(0).reverse()) each();
      syncBuiltinESMExports();
      for (const file of files) await file.close().catch(() => {});
      files.clear();
    },
    unsynced: () =>
      [...nodes]
        .filter(([, { isDirty }]) => isDirty)
        .map(([path]) => path.slice(root.length + 1))
        .sort(),
  };

  const isBelow = (path: unknown): path is string => typeof path === 'string' && `${path}/`.startsWith(`${root}/`);
  function nodeAt(path: string): Node {
    const node = nodes.get(path) ?? { isDirty: false };
    nodes.set(path, node);
    return node;
  }
  function soil(path: string): void {
    nodeAt(path).isDirty = true;
  }
  function forget(path: string): void {
    for (const each of [...nodes.keys()]) if (`${each}/`.startsWith(`${path}/`)) nodes.delete(each);
  }
  function moveNodes(from: string, to: string): void {
    const moved = [...nodes].filter(([path]) => `${path}/`.startsWith(`${from}/`));
    forget(to);
    forget(from);
    for (const [path, node] of moved) nodes.set(to + path.slice(from.length), node);
  }
  function announce(call: DiskCall): void | Promise<void> {
    disk.calls.push(call);
    return disk.before(call);
  }

  function replace<O extends object, K extends keyof O>(owner: O, name: K, make: (original: Any) => Any): void {
    const original = owner[name];
    owner[name] = make(original as Any) as O[K];
    undo.push(() => {
      owner[name] = original;
    });
  }

  /** A function that changes the file at its first argument. */
  function watch(
    name: keyof typeof fs.promises,
    after: (path: string, result: unknown, rest: unknown[]) => void,
  ): void {
    replace(fs.promises, name, (original) => async (...args: never[]) => {
      const [path, second] = args as unknown[];
      if (!isBelow(path) && !isBelow(second)) return original(...args);
      await announce({
        name,
        path: String(path),
        to: typeof second === 'string' && isBelow(second) ? second : undefined,
      });
      const result = await original(...args);
      after(String(path), result, args.slice(1));
      return result;
    });
  }
  const create = (path: string) => {
    soil(path);
    soil(dirname(path));
  };
  watch('writeFile', (path, _, [, options]) => {
    create(path);
    if ((options as { flush?: boolean } | undefined)?.flush) nodeAt(path).isDirty = false;
  });
  watch('rename', (from, _, [to]) => {
    moveNodes(from, String(to));
    soil(dirname(from));
    soil(dirname(String(to)));
  });
  watch('link', (from, _, [to]) => {
    nodes.set(String(to), nodeAt(from));
    soil(dirname(String(to)));
  });
  watch('access', () => {});
  watch('copyFile', (_from, _, [to]) => create(String(to)));
  for (const name of ['unlink', 'rmdir', 'rm'] as const) {
    watch(name, (path) => {
      forget(path);
      soil(dirname(path));
    });
  }
  watch('mkdir', (path, first, [options]) => {
    const top = (options as { recursive?: boolean } | undefined)?.recursive ? first : path;
    if (typeof top !== 'string') return;
    for (let dir = path; dir.length >= top.length; dir = dirname(dir)) soil(dirname(dir));
  });
  replace(fs.promises, 'open', (original) => async (...args: never[]) => {
    const [path, flags] = args as unknown as [unknown, Flags];
    if (!isBelow(path)) return original(...args);
    const isNew = typeof flags === 'string' && /^[wa]/.test(flags) && !fs.existsSync(path);
    if (isNew) await announce({ name: 'open', path });
    const file = (await original(...args)) as FileHandle;
    const entry = { node: nodeAt(path), path };
    if (isNew) create(path);
    files.add(file);
    opened.set(file, entry);
    byFd.set(file.fd, entry);
    return file;
  });

  const sample = await fs.promises.open(root, 'r');
  const handles = Object.getPrototypeOf(sample) as FileHandle;
  await sample.close();
  for (const [name, isDirtyAfter] of [
    ['write', true],
    ['writev', true],
    ['truncate', true],
    ['sync', false],
    ['datasync', false],
  ] as const) {
    replace(
      handles,
      name,
      (original) =>
        async function watched(this: FileHandle, ...args: never[]) {
          const entry = opened.get(this);
          if (!entry) return original.apply(this, args);
          await announce({ name, path: entry.path });
          const result = await original.apply(this, args);
          entry.node.isDirty = isDirtyAfter;
          return result;
        },
    );
  }
  replace(fs, 'writeSync', (original) => (...args: never[]) => {
    const entry = byFd.get(Number((args as unknown[])[0]));
    if (entry) {
      void announce({ name: 'writeSync', path: entry.path });
      entry.node.isDirty = true;
    }
    return original(...args);
  });
  syncBuiltinESMExports();
  onTestFinished(disk.stop);
  return disk;
}

/** A failure as node:fs has them. */
export function diskError(code: string, call?: DiskCall): Error {
  const error = new Error(`${code}: made up, ${call?.name ?? ''}`);
  return Object.assign(error, { code, syscall: call?.name, path: call?.path });
}
