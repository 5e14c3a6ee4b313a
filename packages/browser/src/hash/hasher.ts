import type { FileHash, HashCheckpoint, HashContext, Hasher } from '@cos-slice/core';
// Not from the index: this is loaded late, and must not take the whole core into a chunk of its own.
import { CosSliceError, isCosSliceError } from '@cos-slice/core/errors';

export interface BrowserHasher extends Hasher<Blob> {
  /** Makes sure that hashing works here. @throws CosSliceError `hashing-failed` */
  ready(): Promise<void>;
}

/** Starts the worker that hashes; for pages whose Content-Security-Policy forbids workers from `blob:` URLs. */
export type StartHashWorker = () => Worker;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: unknown): void;
  readonly context?: HashContext;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly name: string; readonly message: string };
  readonly progress?: number;
  readonly checkpoint?: HashCheckpoint;
}

/** An idle worker's memory is given back after this. */
const IDLE_MS = 10_000;

/** Hashes in a worker, loaded when it is first needed. `Blob`s go there by reference. */
export function createWorkerHasher(startWorker?: StartHashWorker): BrowserHasher {
  const waiting = new Map<number, Waiting>();
  let starting: Promise<Worker> | undefined;
  let jobs = 0;
  let idle: ReturnType<typeof setTimeout> | undefined;

  const stop = (error?: CosSliceError): void => {
    starting?.then((worker) => worker.terminate()).catch(() => {});
    starting = undefined;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = async (): Promise<Worker> => {
    if (typeof Worker === 'undefined') {
      throw new CosSliceError('hashing-failed', "service workers cannot hash: use integrity 'none' there");
    }
    const worker = startWorker ? startWorker() : await startFromSource();
    worker.onmessage = ({ data }: MessageEvent<Answer>) => take(data);
    worker.onerror = (event) => {
      event.preventDefault();
      stop(unusable(event.message));
    };
    return worker;
  };
  const take = ({ id, result, error, progress, checkpoint }: Answer): void => {
    const job = waiting.get(id);
    if (!job) return;
    if (progress !== undefined) job.context?.onProgress(progress);
    else if (checkpoint !== undefined) job.context?.onCheckpoint(checkpoint);
    else if (error === undefined) job.resolve(result);
    else job.reject(toError(error));
  };

  const ask = async <T>(message: object, signal?: AbortSignal, context?: HashContext): Promise<T> => {
    signal?.throwIfAborted();
    clearTimeout(idle);
    jobs += 1;
    const id = jobs;
    starting ??= start();
    let worker: Worker;
    try {
      worker = await starting;
    } catch (error) {
      starting = undefined;
      throw unusable(error);
    }
    signal?.throwIfAborted();
    const cancel = (): void => {
      worker.postMessage({ id, type: 'cancel' });
      waiting.get(id)?.reject(signal?.reason);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<T>((resolve, reject) => {
        waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, ...(context ? { context } : {}) });
        worker.postMessage({ id, ...message });
      });
    } finally {
      waiting.delete(id);
      signal?.removeEventListener('abort', cancel);
      if (waiting.size === 0) idle = setTimeout(() => waiting.size === 0 && stop(), IDLE_MS);
    }
  };

  return {
    async ready() {
      await ask({ type: 'ready' });
    },
    digest: (algorithm, blob, signal) => ask<string>({ type: 'digest', algorithm, blob }, signal),
    async uploadParts(source, sliceSizeBytes, context) {
      const blob = await source.slice({ offset: 0, length: source.sizeBytes }, context.signal);
      const { from, signal } = context;
      return ask<FileHash>({ type: 'parts', blob, sliceSizeBytes, ...(from ? { from } : {}) }, signal, context);
    },
  };
}

async function startFromSource(): Promise<Worker> {
  const { workerSource } = await import('./worker-source.gen.ts');
  const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
  try {
    return new Worker(url);
  } finally {
    // The worker has its own hold on it by then; a page must not collect one per upload.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}

function toError({ name, message }: { readonly name: string; readonly message: string }): CosSliceError {
  if (name === 'CompileError' || /WebAssembly|wasm/i.test(message)) return unusable(message);
  if (name === 'NotReadableError') {
    return new CosSliceError(
      'source-changed',
      'the file changed since it was picked, or may not be read: pick it again',
    );
  }
  if (name === 'NotFoundError') {
    return new CosSliceError('source-unreadable', 'the file cannot be read, it may have been moved: pick it again');
  }
  return new CosSliceError('hashing-failed', `hashing failed: ${message}`);
}

function unusable(cause: unknown): CosSliceError {
  if (isCosSliceError(cause)) return cause;
  const what =
    "hashing cannot start on this page: its Content-Security-Policy must allow worker-src blob: (or pass hashWorker) and script-src 'wasm-unsafe-eval'; or use integrity 'none'";
  return new CosSliceError('hashing-failed', what, { cause });
}
