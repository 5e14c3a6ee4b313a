import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CosSliceError } from '@cos-slice/core';
import type { HashJob, HashProgress, HashReply } from './hash-jobs.ts';
import { isOutOfFiles, PATIENCE_MS, RETRY_MS } from './waiting.ts';

const IDLE_MS = 2_000;
const MAX_WORKERS = 4;
/** What waits for a worker says so that often, in ms. */
const WAITING_MS = 200;
/** A worker has so long, in ms, to come to the end of a job that was given up; if not, it hangs. */
const END_MS = 1_000;

export interface HashPool {
  /**
   * Runs a job in a worker thread; waits while all are busy. When aborted, it rejects at once, and the worker's place is free
   * again when the job has ended, or the worker was found to hang.
   *
   * @throws CosSliceError `hashing-failed`; `signal.reason`
   */
  run(job: HashJob, signal: AbortSignal, listener?: HashListener): Promise<HashEnd>;
}

export interface HashListener {
  onProgress(progress: HashProgress): void;
  /** Called several times a second while no worker is free: nothing hangs. */
  onWaiting(): void;
}

/** What ends a job. */
export type HashEnd = Exclude<HashReply, HashProgress>;

interface Task {
  readonly job: HashJob;
  readonly signal: AbortSignal;
  /** Until then it waits for a worker that cannot be started. */
  readonly giveUpAtMs: number;
  readonly onReply: (reply: HashReply) => void;
  readonly onBroken: (error: unknown) => void;
}

/** Worker threads that are started when needed, end when idle, and keep the process alive only while they work. */
export function createHashPool(): HashPool {
  // One core is left to the thread that sends; a worker more would only cost memory.
  const maxWorkers = Math.max(1, Math.min(MAX_WORKERS, availableParallelism() - 1));
  const queue: Task[] = [];
  const idle: Array<(task: Task) => void> = [];
  let workers = 0;

  const startWorker = (first: Task): void => {
    // Without the parent's flags: a loader or an inspector port is not for the worker.
    const worker = new Worker(new URL('./hash-worker.js', import.meta.url), { execArgv: [] });
    workers += 1;
    let task: Task | undefined;
    let hasPlace = true;
    let idleTimer: NodeJS.Timeout | undefined;
    let hangTimer: NodeJS.Timeout | undefined;
    const begin = (next: Task): void => {
      clearTimeout(idleTimer);
      task = next;
      next.signal.addEventListener('abort', onAbort, { once: true });
      worker.ref();
      worker.postMessage(next.job, transferOf(next.job));
    };
    const onAbort = (): void => {
      hangTimer = setTimeout(() => {
        leave();
        worker.unref();
        // Below a dead mount not even this ends it.
        void worker.terminate();
        fill();
      }, END_MS);
    };
    const end = (): void => {
      clearTimeout(hangTimer);
      task?.signal.removeEventListener('abort', onAbort);
      task = undefined;
    };
    const leave = (): void => {
      end();
      if (!hasPlace) return;
      hasPlace = false;
      workers -= 1;
      const at = idle.indexOf(begin);
      if (at >= 0) idle.splice(at, 1);
    };
    worker.on('message', (reply: HashReply) => {
      task?.onReply(reply);
      if (reply.kind === 'progress' || !hasPlace) return;
      end();
      worker.unref();
      idle.push(begin);
      idleTimer = setTimeout(() => {
        idle.splice(idle.indexOf(begin), 1);
        void worker.terminate();
      }, IDLE_MS).unref();
      fill();
    });
    let failure: unknown;
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => {
      // Starting takes descriptors: without any left the task waits for a worker that runs, or for better times.
      const isAgain = task && !task.signal.aborted && isOutOfFiles(failure) && performance.now() < task.giveUpAtMs;
      if (task && isAgain) queue.unshift(task);
      else task?.onBroken(failure);
      leave();
      if (isAgain) setTimeout(fill, RETRY_MS);
      else fill();
    });
    begin(first);
  };

  const fill = (): void => {
    for (;;) {
      if (idle.length === 0 && workers >= maxWorkers) return;
      const next = queue.shift();
      if (!next) return;
      const begin = idle.pop() ?? startWorker;
      begin(next);
    }
  };

  return {
    run(job, signal, listener) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const waiting = listener && setInterval(() => queue.includes(task) && listener.onWaiting(), WAITING_MS);
        const end = (): void => {
          clearInterval(waiting);
          signal.removeEventListener('abort', onAbort);
        };
        const onAbort = (): void => {
          end();
          const at = queue.indexOf(task);
          if (at >= 0) queue.splice(at, 1);
          if ('cancel' in job) Atomics.store(job.cancel, 0, 1);
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        const task: Task = {
          job,
          signal,
          giveUpAtMs: performance.now() + PATIENCE_MS,
          onReply(reply) {
            if (reply.kind === 'progress') return signal.aborted || listener?.onProgress(reply);
            end();
            resolve(reply);
          },
          onBroken(cause) {
            end();
            reject(new CosSliceError('hashing-failed', `the hashing worker failed: ${reasonOf(cause)}`, { cause }));
          },
        };
        queue.push(task);
        fill();
      });
    },
  };
}

function reasonOf(cause: unknown): string {
  if (isOutOfFiles(cause))
    return 'too many files are open (EMFILE): upload fewer at once, or raise the limit (ulimit -n)';
  const { code, message = 'it ended early' } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
    ? `${message} (bundlers must leave @cos-slice/node alone)`
    : message;
}

function transferOf(job: HashJob): ArrayBuffer[] {
  return job.kind === 'digest' && job.bytes.buffer instanceof ArrayBuffer ? [job.bytes.buffer] : [];
}
