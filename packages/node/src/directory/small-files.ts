import type { FileRead } from '../hash-jobs.ts';
import { createHashPool } from '../hash-pool.ts';

/** One byte more than a file that is small has, to see that it ends. */
const ROOM_BYTES = 64 * 1024;
export const SMALL_BYTES: number = ROOM_BYTES - 1;
/** A worker that is not through by then hangs, as below a dead mount. */
const PATIENCE_MS = 10_000;

/** A small file as it was at one moment. */
export interface SmallFile extends FileRead {
  readonly content: Uint8Array;
  /** Its memory is for the next one. */
  release(): void;
}

/** Reads small files in a worker thread, all that wait at once: there a file takes five calls, and no thread waits for another. */
export interface SmallFiles {
  /** @returns undefined for what is not small, not at rest, or cannot be read. Never fails */
  read(path: string): Promise<SmallFile | undefined>;
}

interface Wanted {
  readonly path: string;
  readonly room: number;
  resolve(read: FileRead | undefined): void;
}

const pool = createHashPool();

/**
 * @param most as many may be read and not released
 * @param life aborted when nothing more is wanted
 */
export function createSmallFiles(algorithm: 'md5' | 'sha1' | undefined, most: number, life: AbortSignal): SmallFiles {
  let waiting: Wanted[] = [];
  let isRunning = false;
  let isBroken = false;
  // What is not written to takes no memory.
  const memory = new SharedArrayBuffer(most * ROOM_BYTES);
  const free = Array.from({ length: most }, (_, index) => index);

  const run = async (wanted: readonly Wanted[]): Promise<void> => {
    const ending = new AbortController();
    const stop = (): void => ending.abort();
    life.addEventListener('abort', stop);
    if (life.aborted) stop();
    const timer = setTimeout(stop, PATIENCE_MS);
    try {
      const paths = wanted.map(({ path }) => path);
      const rooms = wanted.map(({ room }) => room);
      const job = { kind: 'files', algorithm, paths, memory, roomBytes: ROOM_BYTES, rooms } as const;
      const reply = await pool.run(job, ending.signal);
      isBroken = reply.kind !== 'files';
      wanted.forEach(({ resolve }, index) => {
        resolve(reply.kind === 'files' ? reply.files[index] : undefined);
      });
    } catch {
      isBroken = true;
      for (const { resolve } of wanted) resolve(undefined);
    } finally {
      clearTimeout(timer);
      life.removeEventListener('abort', stop);
    }
  };
  const runAll = async (): Promise<void> => {
    isRunning = true;
    while (waiting.length > 0) {
      const wanted = waiting;
      waiting = [];
      await run(wanted);
    }
    isRunning = false;
  };

  return {
    async read(path) {
      const room = isBroken ? undefined : free.pop();
      if (room === undefined) return undefined;
      const read = await new Promise<FileRead | undefined>((resolve) => {
        waiting.push({ path, room, resolve });
        // Once whoever else wants one in this turn has said so.
        if (!isRunning && waiting.length === 1) setImmediate(() => void (isRunning || runAll()));
      });
      const release = (): void => void free.push(room);
      if (read) {
        const content = new Uint8Array(memory, room * ROOM_BYTES, read.sizeBytes);
        return { ...read, content, release };
      }
      // A room that is given up may still be written to.
      if (!isBroken) release();
      return undefined;
    },
  };
}
