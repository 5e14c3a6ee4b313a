import type { FileRead } from '../hash-jobs.ts';
import { createHashPool } from '../hash-pool.ts';

/** Most bytes of a file that is small. As many as may be under way fit the least that all content may take in memory. */
export const SMALL_BYTES: number = 63 * 1024;
const ROOM_BYTES = SMALL_BYTES + 1;
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
  readonly room: Uint8Array;
  resolve(read: FileRead | undefined): void;
}

const pool = createHashPool();

/** @param life aborted when nothing more is wanted */
export function createSmallFiles(algorithm: 'md5' | 'sha1' | undefined, life: AbortSignal): SmallFiles {
  let waiting: Wanted[] = [];
  let isRunning = false;
  let isBroken = false;
  const rooms: Uint8Array[] = [];

  const run = async (wanted: readonly Wanted[]): Promise<void> => {
    const ending = new AbortController();
    const stop = (): void => ending.abort();
    life.addEventListener('abort', stop);
    if (life.aborted) stop();
    const timer = setTimeout(stop, PATIENCE_MS);
    try {
      const files = wanted.map(({ path, room }) => ({ path, room }));
      const reply = await pool.run({ kind: 'files', algorithm, files }, ending.signal);
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
      if (isBroken) return undefined;
      const room = rooms.pop() ?? new Uint8Array(new SharedArrayBuffer(ROOM_BYTES));
      const read = await new Promise<FileRead | undefined>((resolve) => {
        waiting.push({ path, room, resolve });
        // Once whoever else wants one in this turn has said so.
        if (!isRunning && waiting.length === 1) setImmediate(() => void (isRunning || runAll()));
      });
      // A room that is given up may still be written to.
      if (!read) {
        if (!isBroken) rooms.push(room);
        return undefined;
      }
      return { ...read, content: room.subarray(0, read.sizeBytes), release: () => void rooms.push(room) };
    },
  };
}
