import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

import type { ChainPlan } from './chain-plan.ts';

const MAX_WORKERS = 4;

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
