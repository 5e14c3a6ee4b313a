import type { Direct, DirectPlace } from '@cos-slice/core';
import { createSmallFiles, SMALL_BYTES, type SmallFile } from './small-files.ts';
import type { Moving } from './transfer.ts';

/** After a pause, what is under way has this long to come to its end. */
const PAUSE_GRACE_MS = 5_000;

type Retry = ReturnType<Direct<unknown>['retryAfter']>;

/** The straight way of small files: read in one go, sent in one request. What does not go straight on becomes an upload. */
export interface Straight {
  /** @returns undefined: an upload has to see to it. @throws `signal.reason` when aborted */
  read(file: string, path: string): Promise<StraightFile | undefined>;
}

/** A file that has been read and has its place: it must be sent. */
export interface StraightFile {
  readonly sizeBytes: number;
  /** @param upload uploads it the other way, with what is left to be tried */
  send(upload: (retry: Retry) => Moving): Moving;
}

/**
 * @param most files at once
 * @param signal cancels all
 */
export function createStraight(direct: Direct<Uint8Array>, most: number, signal: AbortSignal): Straight {
  const files = createSmallFiles(direct.algorithm, most, signal);
  return {
    async read(file, path) {
      if (!direct.takes(path, 1)) return undefined;
      const place = await direct.enter(SMALL_BYTES, signal);
      const small = await files.read(file);
      if (small && direct.takes(path, small.sizeBytes)) {
        return { sizeBytes: small.sizeBytes, send: (upload) => send(direct, place, path, small, signal, upload) };
      }
      small?.release();
      place.leave();
      return undefined;
    },
  };
}

function send(
  direct: Direct<Uint8Array>,
  place: DirectPlace<Uint8Array>,
  path: string,
  { content, sizeBytes, digest, release }: SmallFile,
  signal: AbortSignal,
  upload: (retry: Retry) => Moving,
): Moving {
  const controller = new AbortController();
  const stop = (): void => controller.abort(signal.reason);
  let pausing: NodeJS.Timeout | undefined;
  let uploading: Moving | undefined;
  let isDone = false;

  /** @returns what an upload may still try; undefined: there is nothing left for one */
  const put = async (): Promise<Retry | undefined> => {
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      await place.put(path, { body: content, sizeBytes, digest }, controller);
      return undefined;
    } catch (error) {
      return direct.retryAfter(error);
    } finally {
      signal.removeEventListener('abort', stop);
      release();
      place.leave();
    }
  };
  const run = async (): Promise<{ resumedBytes: number; skipped?: boolean }> => {
    const retry = await put();
    isDone = retry === undefined;
    const isPaused = pausing !== undefined;
    clearTimeout(pausing);
    if (!retry) return { resumedBytes: 0 };
    uploading = upload(retry);
    if (isPaused) uploading.pause();
    return uploading.done;
  };
  return {
    done: run(),
    look() {
      const bytes = isDone ? sizeBytes : 0;
      return uploading?.look() ?? { doneBytes: bytes, movedBytes: bytes, resumable: true };
    },
    pause() {
      if (uploading) return uploading.pause();
      pausing ??= setTimeout(() => controller.abort(), PAUSE_GRACE_MS);
    },
    resume() {
      if (uploading) return uploading.resume();
      clearTimeout(pausing);
      pausing = undefined;
    },
  };
}
