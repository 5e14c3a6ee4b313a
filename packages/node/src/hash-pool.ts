import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CosSliceError } from '@cos-slice/core';
import type { HashJob, HashProgress, HashReply } from './hash-jobs.ts';
import { isOutOfFiles, PATIENCE_MS, RETRY_MS } from './waiting.ts';

const IDLE_MS = 2_000;
const MAX_WORKERS = 4;

export interface HashPool {
  /**
   * Runs a job in a worker thread; waits while all are busy. When aborted, it rejects at once and the worker is free again
   * when the job has ended.
   *
   * @throws CosSliceError `hashing-failed`; `signal.reason`
   */
  run(job: HashJob, signal: AbortSignal, onProgress?: (progress: HashProgress) => void): Promise<HashEnd>;
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
    let idleTimer: NodeJS.Timeout | undefined;
    const begin = (next: Task): void => {
      clearTimeout(idleTimer);
      task = next;
      worker.ref();
      worker.postMessage(next.job, transferOf(next.job));
    };
    const rest = (): void => {
      task = undefined;
      const next = queue.shift();
      if (next !== undefined) {
        begin(next);
        return;
      }
      worker.unref();
      idle.push(begin);
      idleTimer = setTimeout(() => {
        idle.splice(idle.indexOf(begin), 1);
        void worker.terminate();
      }, IDLE_MS).unref();
    };
    worker.on('message', (reply: HashReply) => {
      task?.onReply(reply);
      if (reply.kind !== 'progress') rest();
    });
    let failure: unknown;
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => {
      workers -= 1;
      const at = idle.indexOf(begin);
      if (at >= 0) idle.splice(at, 1);
      // Starting takes descriptors: without any left it waits for a worker that runs, or for better times.
      if (task !== undefined && isOutOfFiles(failure) && performance.now() < task.giveUpAtMs) {
        const again = task;
        setTimeout(() => again.signal.aborted || submit(again), RETRY_MS);
        return;
      }
      task?.onBroken(failure);
      const next = queue.shift();
      if (next !== undefined) startWorker(next);
    });
    begin(first);
  };

  const submit = (task: Task): void => {
    const begin = idle.pop();
    if (begin !== undefined) begin(task);
    else if (workers < maxWorkers) startWorker(task);
    else queue.push(task);
  };

  return {
    run(job, signal, onProgress) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const onAbort = (): void => {
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
            if (reply.kind === 'progress') return signal.aborted || onProgress?.(reply);
            signal.removeEventListener('abort', onAbort);
            resolve(reply);
          },
          onBroken(cause) {
            signal.removeEventListener('abort', onAbort);
            reject(new CosSliceError('hashing-failed', `the hashing worker failed: ${reasonOf(cause)}`, { cause }));
          },
        };
        submit(task);
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
