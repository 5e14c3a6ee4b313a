import type { FileHash, HashCheckpoint, HashContext, Hasher } from '@cos-slice/core';
import { combineCrc64, crc64Polynomials } from '@cos-slice/core/crc64';
// Not from the index: this is loaded late, and must not take the whole core into a chunk of its own.
import { CosSliceError, isCosSliceError } from '@cos-slice/core/errors';
import { readBlob, unreadable } from '../read-blob.ts';
import { startFromSource } from './start-worker.ts';

export interface BrowserHasher extends Hasher<Blob> {
  /**
   * Makes sure that hashing works here.
   *
   * @param moved called when another worker is tried
   * @throws CosSliceError `hashing-failed`
   */
  ready(moved?: () => void): Promise<void>;
  /**
   * SHA-1 of blobs that come one after the other.
   *
   * @param state what the one before has returned; undefined for the first
   * @returns where the next one goes on; after the last one the digest, in lowercase hex
   */
  chain(state: string | undefined, blob: Blob, last: boolean): Promise<string>;
}

/** Starts the worker that hashes; for pages whose Content-Security-Policy forbids workers from `blob:` URLs. */
export type StartHashWorker = () => Worker;

interface Job {
  readonly message: { readonly type: string; readonly [name: string]: unknown };
  readonly blob?: Blob;
  readonly context?: Pick<HashContext, 'onProgress' | 'onCheckpoint'>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
  /** From where a fresh worker goes on. */
  from?: HashCheckpoint | undefined;
  hashedBytes: number;
  /** Workers that fell silent in a row, without this job getting on. */
  silences: number;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly name: string; readonly message: string };
  readonly progress?: number;
  readonly checkpoint?: HashCheckpoint;
  /** A piece that the worker could not get at by itself. */
  readonly piece?: Blob;
  /** What the worker knows that piece by. */
  readonly ask?: number;
}

/** An idle worker's memory is given back after this. */
const IDLE_MS = 10_000;
/** A worker with jobs tells of every piece that it hashes, and of one that it cannot get at, sooner than this. */
const SILENCE_MS = 25_000;
const MAX_SILENCES = 3;
/** A worker that has been silent for so long when a job is given up may hang, and must not keep the next one waiting. */
const SUSPICIOUS_MS = 1000;

/**
 * Hashes in a worker, started when it is first needed. `Blob`s go there by reference. A worker that falls silent is replaced by
 * a fresh one, which goes on from the last checkpoint.
 */
export function createWorkerHasher(startWorker: StartHashWorker | undefined = undefined): BrowserHasher {
  const jobs = new Map<number, Job>();
  let starting: Promise<Worker> | undefined;
  let lastId = 0;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let heardAtMs = 0;

  const stop = (): void => {
    clearTimeout(silence);
    starting?.then((worker) => worker.terminate()).catch(() => {});
    starting = undefined;
  };
  const fail = (error: unknown): void => {
    stop();
    for (const { reject } of jobs.values()) reject(error);
    jobs.clear();
  };
  const listen = (): void => {
    clearTimeout(silence);
    if (jobs.size > 0) silence = setTimeout(replace, SILENCE_MS);
  };
  const replace = (): void => {
    stop();
    for (const [id, job] of jobs) {
      job.silences += 1;
      if (job.silences >= MAX_SILENCES) {
        const what = "the hash worker stands still: reload the page, or use integrity 'none'";
        job.reject(new CosSliceError('hashing-failed', what));
      } else {
        job.context?.onProgress(job.hashedBytes);
        post(id, job);
      }
    }
    listen();
  };
  /** The other jobs go on in a fresh worker. */
  const drop = (): void => {
    stop();
    for (const [id, job] of jobs) post(id, job);
    listen();
  };
  const post = (id: number, { message, blob, from }: Job): void => {
    starting ??= start();
    const own = starting;
    own.then(
      (worker) => own === starting && jobs.has(id) && worker.postMessage({ id, blob, from, ...message }),
      (error) => own === starting && fail(error),
    );
  };
  const start = async (): Promise<Worker> => {
    if (typeof Worker === 'undefined') {
      throw new CosSliceError('hashing-failed', "service workers cannot hash: use integrity 'none' there");
    }
    heardAtMs = performance.now();
    let worker: Worker;
    try {
      worker = await (startWorker ? startWorker() : startFromSource());
    } catch (cause) {
      throw unusable(cause);
    }
    worker.onmessage = ({ data }: MessageEvent<Answer>) => take(worker, data);
    worker.onerror = (event) => {
      event.preventDefault();
      fail(unusable(event.message));
    };
    return worker;
  };
  const take = (worker: Worker, { id, result, error, progress, checkpoint, piece, ask }: Answer): void => {
    heardAtMs = performance.now();
    listen();
    const job = jobs.get(id);
    if (piece) return void supply(worker, id, piece, ask);
    if (!job) return;
    if (progress !== undefined) {
      // A fresh worker begins at a checkpoint; what is shown does not go back.
      if (progress < job.hashedBytes) return;
      job.hashedBytes = progress;
      job.silences = 0;
      job.context?.onProgress(progress);
    } else if (checkpoint) {
      job.from = checkpoint;
      job.context?.onCheckpoint(checkpoint);
    } else if (error) job.reject(toError(error));
    else job.resolve(result);
  };
  const supply = async (worker: Worker, id: number, piece: Blob, ask: number | undefined): Promise<void> => {
    // Nothing ends the job in the worker.
    let bytes = new ArrayBuffer(0);
    try {
      if (jobs.has(id)) bytes = await readBlob(piece);
    } catch (error) {
      jobs.get(id)?.reject(error);
    }
    listen();
    worker.postMessage({ id: ask, type: 'piece', bytes }, [bytes]);
  };

  const ask = async <T>(
    job: Pick<Job, 'message' | 'blob' | 'context' | 'from'>,
    signal: AbortSignal | undefined,
  ): Promise<T> => {
    signal?.throwIfAborted();
    clearTimeout(idle);
    lastId += 1;
    const id = lastId;
    const cancel = (): void => {
      jobs.get(id)?.reject(signal?.reason);
      jobs.delete(id);
      if (performance.now() - heardAtMs > SUSPICIOUS_MS) drop();
      else starting?.then((worker) => worker.postMessage({ id, type: 'cancel' })).catch(() => {});
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<T>((resolve, reject) => {
        const entry = { ...job, resolve: resolve as (result: unknown) => void, reject, hashedBytes: 0, silences: 0 };
        jobs.set(id, entry);
        if (jobs.size === 1) {
          heardAtMs = performance.now();
          listen();
        }
        post(id, entry);
      });
    } finally {
      jobs.delete(id);
      signal?.removeEventListener('abort', cancel);
      if (jobs.size === 0) {
        clearTimeout(silence);
        idle = setTimeout(() => jobs.size === 0 && stop(), IDLE_MS);
      }
    }
  };

  return {
    async ready(moved = () => {}) {
      const context = { onProgress: moved, onCheckpoint: () => {} };
      await ask({ message: { type: 'ready' }, context }, undefined);
    },
    chain: (state, blob, last) => ask<string>({ message: { type: 'chain', state, last }, blob }, undefined),
    digest: (name, blob, signal) => {
      const algorithm = name === 'md5' || name === 'sha1' ? name : crc64Polynomials[name];
      return ask<string>({ message: { type: 'digest', algorithm }, blob }, signal);
    },
    combine: async (algorithm, parts, sizeBytes) => combineCrc64(algorithm, parts, sizeBytes),
    async uploadParts(source, sliceSizeBytes, context) {
      const { from, signal } = context;
      const blob = await source.slice({ offset: 0, length: source.sizeBytes }, signal);
      return ask<FileHash>({ message: { type: 'parts', sliceSizeBytes }, blob, context, from }, signal);
    },
  };
}

function toError({ name, message }: { readonly name: string; readonly message: string }): CosSliceError {
  if (name === 'CompileError' || /WebAssembly|wasm/i.test(message)) return unusable(message);
  if (name === 'NotReadableError' || name === 'NotFoundError') return unreadable({ name, message });
  return new CosSliceError('hashing-failed', `hashing failed: ${message}`);
}

function unusable(cause: unknown): CosSliceError {
  if (isCosSliceError(cause)) return cause;
  const what =
    "hashing cannot start on this page: its Content-Security-Policy must allow worker-src blob: (or pass hashWorker), script-src 'wasm-unsafe-eval' and, with Trusted Types, the policy cos-slice (and 'allow-duplicates' where this library is on the page twice); or use integrity 'none'";
  return new CosSliceError('hashing-failed', what, { cause });
}
