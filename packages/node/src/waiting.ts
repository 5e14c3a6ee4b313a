import { setTimeout as delay } from 'node:timers/promises';

/** Before the next try while too many files are open. */
export const RETRY_MS = 50;
/** A process whose open files never become fewer would otherwise wait for ever. */
export const PATIENCE_MS = 60_000;

/**
 * Settles as the work does, or rejects with the signal's reason once that is aborted: below a dead mount, work never ends.
 *
 * @param discard is given what the work still yields when nobody waits for it any more
 */
export async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  discard?: (late: T) => unknown,
): Promise<T> {
  if (signal === undefined) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } catch (error) {
    if (signal.aborted) work.then(discard).catch(() => {});
    throw error;
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

/** Waits for the work, but no longer than this. @returns whether it has ended by then */
export async function atMost(limitMs: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs what opens a file or starts a thread; while too many files are open, waits for others to be closed. */
export async function whenOpenable<T>(open: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const giveUpAtMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!isOutOfFiles(error) || performance.now() >= giveUpAtMs) throw error;
    }
    await untilAborted(delay(RETRY_MS), signal);
  }
}

/** The process, or the whole system, has no file descriptor left. */
export function isOutOfFiles(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  // A worker thread that cannot start has the system's code in its message only.
  const why = code === 'ERR_WORKER_INIT_FAILED' ? String(message) : String(code);
  return /\bE[MN]FILE\b/.test(why);
}
