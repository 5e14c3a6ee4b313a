import type { Limiter } from '../ports.ts';
import type { Upload } from '../upload/upload.ts';
import { type AdaptiveLimiter, createLimiter, type LimiterOptions } from './limiter.ts';
import type { Bounds } from './window.ts';

/** Many uploads under one limit. */
export interface Batch {
  /** For the `concurrency` of uploads that are added. */
  readonly limiter: AdaptiveLimiter;
  /** Uploads that have not ended. */
  readonly uploads: ReadonlySet<Upload>;
  /**
   * Adds an upload. Thousands may be added at once: an upload opens its source when it gets a place.
   *
   * @param start starts it with what it is given: `(shared) => uploadFile(path, { ...options, ...shared })`
   * @returns what `start` returned, to be paused or looked at by itself
   */
  add<U extends Upload>(start: (shared: { readonly concurrency: Limiter; readonly signal: AbortSignal }) => U): U;
  /** Pauses all, those that wait included; those that are added later run. */
  pause(): void;
  resume(): void;
  /** Cancels all, and all that are added later. Their `done` rejects with the reason. */
  cancel(reason?: unknown): void;
  /** Resolves when all that were added have ended, however. */
  settled(): Promise<void>;
}

/**
 * Makes a batch: uploads that share requests in flight and open sources, come to their turn in the order in which they were
 * added, and are paused and cancelled together or one by one.
 *
 * @param concurrency requests in flight: a number, or the bounds of the adaptive window. As many uploads are open at once.
 * @param memory how much content may be in memory at once
 * @throws CosSliceError `invalid-options`
 */
export function createBatch(concurrency: number | Bounds, memory: Pick<LimiterOptions, 'maxMemory'> = {}): Batch {
  const limiter = createLimiter(concurrency, memory);
  const controller = new AbortController();
  const uploads = new Set<Upload>();
  const all = (act: (upload: Upload) => void): void => {
    limiter.seats.together(() => {
      for (const upload of uploads) act(upload);
    });
  };
  return {
    limiter,
    uploads,
    add(start) {
      const upload = start({ concurrency: limiter, signal: controller.signal });
      uploads.add(upload);
      const forget = (): void => void uploads.delete(upload);
      upload.done.then(forget, forget);
      return upload;
    },
    pause: () => all((upload) => upload.pause()),
    resume: () => all((upload) => upload.resume()),
    cancel: (reason) => limiter.seats.together(() => controller.abort(reason)),
    async settled() {
      while (uploads.size > 0) await Promise.allSettled([...uploads].map(({ done }) => done));
    },
  };
}
