import { CosSliceError } from '../errors.ts';
import type { TimeoutOptions } from '../options.ts';
import type { Clock, Transport, WireRequest, WireResponse } from '../ports.ts';

/** An attempt under watch; `onLate` is called once its deadline has passed, unless it is forgotten before. */
export interface Watched {
  /** Epoch ms; may be moved while the attempt goes on, to no earlier than the watchdog's nap from now. */
  deadlineMs: number;
  readonly onLate: () => void;
}

/** Watches the attempts of an upload. */
export interface Watchdog {
  watch(attempt: Watched): void;
  forget(attempt: Watched): void;
}

/**
 * One sleeper for all attempts: it looks at their deadlines whenever it wakes, so that an attempt needs no timer of its own.
 *
 * @param napMs how long it may sleep: no more than the shortest time that an attempt is ever given
 */
export function createWatchdog(clock: Clock, napMs: number, life: AbortSignal): Watchdog {
  const attempts = new Set<Watched>();
  let awake = false;
  const patrol = async (): Promise<void> => {
    awake = true;
    while (attempts.size > 0) {
      const nowMs = clock.nowMs();
      let leftMs = napMs;
      for (const attempt of attempts) {
        leftMs = Math.min(leftMs, attempt.deadlineMs - nowMs);
        if (attempt.deadlineMs > nowMs) continue;
        attempts.delete(attempt);
        attempt.onLate();
      }
      await clock.sleep(Math.max(0, leftMs), life);
    }
    awake = false;
  };
  return {
    watch(attempt) {
      attempts.add(attempt);
      // Rejects when the upload is over.
      if (!awake) patrol().catch(() => {});
    },
    forget: (attempt) => attempts.delete(attempt),
  };
}

export interface AttemptOptions {
  readonly timeouts: Required<TimeoutOptions>;
  /** Failed attempts before this one: each doubles the time allowed, so that a slow link gets through in the end. */
  readonly attempt: number;
  readonly clock: Clock;
  readonly watchdog: Watchdog;
  /** Aborted, with the timeout as its reason, when the attempt takes too long. */
  readonly controller: AbortController;
  readonly onSent: (totalBytes: number) => void;
}

const MAX_DOUBLINGS = 4;

/**
 * One request under watch: it connects, makes progress and is answered in time, or ends with `timeout`. Nothing hangs.
 *
 * @throws CosSliceError `network` or `timeout`; the controller's reason when aborted
 */
export async function attemptRequest<C>(
  transport: Transport<C>,
  request: WireRequest<C>,
  options: AttemptOptions,
): Promise<WireResponse> {
  const { clock, controller, watchdog } = options;
  const { connectMs, noProgressMs, responseMs } = options.timeouts;
  const { signal } = controller;
  const { reportsProgress } = transport;
  const patience = 2 ** Math.min(options.attempt, MAX_DOUBLINGS);
  const sizeBytes = request.content?.sizeBytes ?? 0;

  // A transport that reports nothing gets the sum of all three for the whole attempt.
  let phase: Phase = reportsProgress ? 'connect' : 'response';
  const firstMs = reportsProgress ? connectMs : connectMs + noProgressMs + responseMs;
  const watched: Watched = {
    deadlineMs: clock.nowMs() + firstMs * patience,
    onLate: () => controller.abort(timeoutError(phase, request.url)),
  };
  /** Bytes of the content that have left tell what is waited for next. */
  const reach = (sentBytes: number): void => {
    if (!reportsProgress) return;
    phase = sentBytes >= sizeBytes ? 'response' : 'no-progress';
    watched.deadlineMs = clock.nowMs() + (phase === 'response' ? responseMs : noProgressMs) * patience;
  };

  watchdog.watch(watched);
  try {
    return await transport.send(request, {
      signal,
      connectMs: connectMs * patience,
      onConnected: () => reach(0),
      onSent(totalBytes) {
        reach(totalBytes);
        options.onSent(Math.min(totalBytes, sizeBytes));
      },
    });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    watchdog.forget(watched);
  }
}

type Phase = 'connect' | 'no-progress' | 'response';

const LATE = { connect: 'was not reached', 'no-progress': 'took no bytes', response: 'did not answer' };

function timeoutError(phase: Phase, url: string): CosSliceError {
  const what = `${new URL(url).hostname} ${LATE[phase]} in time: check the network, or raise the timeouts`;
  return new CosSliceError('timeout', what, { remedy: 'backoff', phase });
}
