import { rm } from 'node:fs/promises';
import type { Target } from '../store.ts';
import { targetHash } from './layout.ts';
import { PATIENCE_MS, within } from './patience.ts';

/** How many are copied at a time. They share a thread: this bounds open files and buffers. */
const MAX_RUNNING = 16;
/** A copy that nobody comes back for is dropped after this long. */
const KEEP_MS = 5 * 60_000;

export interface KnownContent {
  /** Where it may be found. */
  readonly source: Target;
  /** Undefined when nobody knows it; the revision tells then whether it is the same content. */
  readonly sha: string | undefined;
  readonly revision?: string;
  readonly sizeBytes: number;
}

/**
 * Copies of content that the bucket has already, made for the requests that ask for them. Copying a large file outlasts
 * every client's patience, so a request that has waited for long is told to come again, and the next one of its kind
 * goes on waiting for the same copy.
 */
export interface KnownCopies {
  /**
   * Undefined when there is no such content.
   *
   * @throws StoreError `busy` when it takes longer
   */
  of(target: Target, content: KnownContent): Promise<KnownCopy | undefined>;
  /** Gives up what runs, and removes what nobody has taken. */
  close(): Promise<void>;
}

export interface KnownCopy {
  /** The file, which then belongs to the caller; undefined when another request has taken it. */
  take(): string | undefined;
}

interface Job {
  waiting: number;
  made: Promise<string | undefined>;
  expiry: NodeJS.Timeout | undefined;
}

export function createKnownCopies(
  copy: (content: KnownContent, signal: AbortSignal) => Promise<string | undefined>,
  patienceMs: number = PATIENCE_MS,
): KnownCopies {
  const jobs = new Map<string, Job>();
  const closing = new AbortController();
  const places = createPlaces(MAX_RUNNING);

  function start(key: string, content: KnownContent): Job {
    const job: Job = { waiting: 1, made: Promise.resolve(undefined), expiry: undefined };
    const forget = () => {
      if (jobs.get(key) === job) jobs.delete(key);
    };
    job.made = places(async () => {
      if (job.waiting > 0 && !closing.signal.aborted) return copy(content, closing.signal);
      // Whoever comes now begins anew.
      forget();
      return undefined;
    });
    job.made.then((path) => {
      if (path === undefined) return forget();
      job.expiry = setTimeout(() => {
        forget();
        void rm(path, { force: true }).catch(() => {});
      }, KEEP_MS);
      job.expiry.unref();
    }, forget);
    jobs.set(key, job);
    return job;
  }

  return {
    async of(target, content) {
      const key = `${targetHash(target)} ${targetHash(content.source)} ${content.sha ?? content.revision} ${content.sizeBytes}`;
      const known = jobs.get(key);
      if (known) known.waiting++;
      const job = known ?? start(key, content);
      const path = await within(job.made, patienceMs, 'the content is being copied: ask again').finally(
        () => job.waiting--,
      );
      if (path === undefined) return undefined;
      return {
        take() {
          if (jobs.get(key) !== job) return undefined;
          jobs.delete(key);
          clearTimeout(job.expiry);
          return path;
        },
      };
    },
    async close() {
      closing.abort();
      for (const [key, job] of jobs) {
        const path = await job.made.catch(() => undefined);
        clearTimeout(job.expiry);
        if (jobs.delete(key) && path !== undefined) await rm(path, { force: true }).catch(() => {});
      }
    },
  };
}

/** Runs so many tasks at a time, in the order they come. */
function createPlaces(count: number): <T>(task: () => Promise<T>) => Promise<T> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (free > 0) free--;
    else await new Promise<void>((resume) => waiting.push(resume));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
