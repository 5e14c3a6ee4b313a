import { read } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createSHA1 } from 'hash-wasm';
import type { ChainPlan } from './chain-plan.ts';
import { startCheck } from './start-check.js';

const MAX_WORKERS = 4;
const CHUNK_BYTES = 256 * 1024;

const readAt = promisify(read);

/** Bytes in an open file. */
export interface FileRange {
  readonly fd: number;
  readonly startBytes: number;
  /** Exclusive. */
  readonly endBytes: number;
}

/** What bytes should be. */
export interface Expected {
  readonly chain: ChainPlan | undefined;
  /** Lowercase hex. */
  readonly md5: string | undefined;
}

/** What a worker is asked. */
export interface CheckJob extends Expected {
  readonly id: number;
  readonly range: FileRange;
}

type CheckReply = { readonly id: number; readonly matches: boolean } | { readonly id: number; readonly error: unknown };

/** Hashes what was written, beside the thread that receives: SHA-1 and MD5 take longer than all the rest of a request. */
export interface Checker {
  /** Whether the bytes in a file, which must stay open meanwhile, are the expected ones. @throws what reading throws */
  matches(range: FileRange, expected: Expected): Promise<boolean>;
  close(): Promise<void>;
}

/** Starts its threads when they are needed. They keep the process alive only while they work. */
export function createChecker(): Checker {
  if (!threadsShareFiles()) return createChecksHere();
  const count = Math.max(1, Math.min(MAX_WORKERS, availableParallelism() - 1));
  const threads = Array.from({ length: count }, createThread);
  let turn = 0;
  return {
    matches: (range, expected) => (threads[turn++ % count] as Checker).matches(range, expected),
    async close() {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

/** In Deno a descriptor means something only to the thread that opened it. */
function threadsShareFiles(): boolean {
  return !('Deno' in globalThis);
}

/** Checks on this thread, a chunk at a time. */
export function createChecksHere(): Checker {
  return {
    async matches({ fd, startBytes, endBytes }, expected) {
      const check = startCheck(await createSHA1(), expected);
      const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      for (let at = startBytes; at < endBytes; ) {
        const { bytesRead } = await readAt(fd, buffer, 0, Math.min(buffer.length, endBytes - at), at);
        if (bytesRead === 0) throw new Error('the file is shorter than what was written');
        if (!check.take(buffer.subarray(0, bytesRead))) return false;
        at += bytesRead;
      }
      return check.isGood();
    },
    close: async () => {},
  };
}

function createThread(): Checker {
  const asked = new Map<number, { resolve(matches: boolean): void; reject(error: unknown): void }>();
  let lastId = 0;
  let running: Worker | undefined;

  function start(): Worker {
    // Without the parent's flags: a loader or an inspector port is not for the worker.
    const worker = new Worker(new URL('./check-worker.js', import.meta.url), { execArgv: [] });
    let failure: unknown;
    worker.on('message', (reply: CheckReply) => {
      const asker = asked.get(reply.id);
      asked.delete(reply.id);
      if (asked.size === 0) worker.unref();
      if ('matches' in reply) asker?.resolve(reply.matches);
      else asker?.reject(reply.error);
    });
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => {
      running = undefined;
      for (const { reject } of asked.values()) reject(failure ?? new Error('the checking thread ended'));
      asked.clear();
    });
    return worker;
  }

  return {
    matches: (range, expected) =>
      new Promise((resolve, reject) => {
        running ??= start();
        running.ref();
        const job: CheckJob = { id: ++lastId, range, ...expected };
        asked.set(job.id, { resolve, reject });
        running.postMessage(job);
      }),
    async close() {
      await running?.terminate();
    },
  };
}
