import type { RetryOptions } from '../options.ts';

/** A server cannot put an upload to sleep for longer. */
const MAX_ASKED_MS = 3600 * 1000;

/**
 * Pause before the next attempt, in ms: exponential backoff with full jitter, but never less than the server asked for, up to an hour.
 *
 * @param attempt failed attempts so far, from 1
 * @param random in [0, 1)
 */
export function backoffMs(retry: Required<RetryOptions>, attempt: number, random: number, retryAfterMs = 0): number {
  const ceiling = Math.min(retry.maxDelayMs, retry.baseDelayMs * 2 ** Math.min(attempt - 1, 30));
  return Math.max(Math.min(retryAfterMs, MAX_ASKED_MS), Math.floor(random * ceiling));
}
