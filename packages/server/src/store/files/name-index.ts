import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { createLocker } from '../../locker.ts';
import { type Names, readNames } from './read-names.js';

/** Larger directories are read and sorted on a thread of their own. */
const SMALL_ENTRIES = 10_000;
/** What is kept of the names that have been read, not counting the latest. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
/** How long whoever reads page by page goes on with the names there were at the beginning. */
const HELD_MS = 5 * 60_000;
/** Two changes within the grain of a file system's clock cannot be told apart; some count whole seconds. */
const GRAIN_MS = 2000;

/** The names in a directory at some moment, in the order of their bytes. */
export interface NameIndex {
  readonly count: number;
  readonly directories: number;
  /** One character for each byte; directories end in a slash. */
  keyAt(index: number): string;
  isDirectoryAt(index: number): boolean;
  /** How many come before this key, which need not be there. */
  rank(key: string): number;
}

/** Indexes of directories, kept for the next page: no page but the first has to read the directory. */
export interface NameIndexes {
  /**
   * The names in a directory: all that are there now, or, to go on with, those of a moment ago.
   *
   * @throws what reading the directory fails with
   */
  of(dir: string, wanted: 'now' | 'to go on'): Promise<NameIndex>;
}

interface Kept {
  readonly index: NameIndex;
  readonly sizeBytes: number;
  /** On a clock that nobody sets: how long it is held must not depend on the one on the wall. */
  readonly readAtMs: number;
  /** The directory's own time, when it says for certain whether something has changed since. */
  readonly settledNs: bigint | undefined;
}

interface Reading {
  readonly running: Promise<Kept>;
  /** For those who came after it had begun, and may know of changes that it does not see. */
  next?: Promise<Kept>;
}

export function createNameIndexes(): NameIndexes {
  /** The one that was used last comes last. */
  const kept = new Map<string, Kept>();
  const readings = new Map<string, Reading>();
  const { withLock } = createLocker();
  let forgetting: NodeJS.Timeout | undefined;

  function keep(dir: string, entry: Kept): NameIndex {
    kept.delete(dir);
    kept.set(dir, entry);
    let totalBytes = [...kept.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - entry.sizeBytes;
    for (const [oldest, { sizeBytes }] of kept) {
      if (oldest === dir || totalBytes <= MAX_KEPT_BYTES) break;
      kept.delete(oldest);
      totalBytes -= sizeBytes;
    }
    clearTimeout(forgetting);
    forgetting = setTimeout(() => kept.clear(), HELD_MS).unref();
    return entry.index;
  }

  async function isGood(dir: string, { readAtMs, settledNs }: Kept, wanted: 'now' | 'to go on'): Promise<boolean> {
    if (wanted === 'to go on' && readAtMs + HELD_MS > performance.now()) return true;
    return settledNs !== undefined && (await stat(dir, { bigint: true })).mtimeNs === settledNs;
  }

  async function readNow(dir: string): Promise<Kept> {
    const readAtMs = performance.now();
    const nowMs = Date.now();
    const { mtimeNs } = await stat(dir, { bigint: true });
    const names = (await readNames(dir, SMALL_ENTRIES)) ?? (await withLock('thread', () => readOnThread(dir)));
    const isSettled = Number(mtimeNs / 1_000_000n) + GRAIN_MS < nowMs;
    return {
      index: createNameIndex(names),
      sizeBytes: names.bytes.length + names.ends.byteLength,
      readAtMs,
      settledNs: isSettled ? mtimeNs : undefined,
    };
  }

  function start(dir: string): Promise<Kept> {
    const reading: Reading = { running: readNow(dir) };
    readings.set(dir, reading);
    const end = () => {
      if (!reading.next) readings.delete(dir);
    };
    reading.running.then(end, end);
    return reading.running;
  }

  function read(dir: string, wanted: 'now' | 'to go on'): Promise<Kept> {
    const reading = readings.get(dir);
    if (!reading) return start(dir);
    if (wanted === 'to go on') return reading.running;
    const startNext = () => start(dir);
    reading.next ??= reading.running.then(startNext, startNext);
    return reading.next;
  }

  return {
    async of(dir, wanted) {
      const before = kept.get(dir);
      const isEnough = before !== undefined && (await isGood(dir, before, wanted));
      return keep(dir, isEnough ? before : await read(dir, wanted));
    },
  };
}

function readOnThread(dir: string): Promise<Names> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./names-worker.js', import.meta.url), { workerData: dir, execArgv: [] });
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('the thread that reads a directory has ended')));
  });
}

const SLASH = 0x2f;

function createNameIndex({ bytes, ends, directories }: Names): NameIndex {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const keyAt = (index: number): string => view.toString('latin1', index === 0 ? 0 : ends[index - 1], ends[index]);
  return {
    count: ends.length,
    directories,
    keyAt,
    isDirectoryAt: (index) => view[(ends[index] as number) - 1] === SLASH,
    rank(key) {
      let low = 0;
      let high = ends.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (keyAt(middle) < key) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  };
}
