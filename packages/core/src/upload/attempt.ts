import { CosSliceError } from '../errors.ts';
import type { TimeoutOptions } from '../options.ts';
import type { Clock, Transport, WireRequest, WireResponse } from '../ports.ts';

/** Watches the attempts of an upload. */
export interface Watchdog {
  /** Calls `onLate` once the deadline has passed, unless the attempt has ended before. */
  watch(deadlineMs: number, onLate: () => void): Watched;
}

export interface Watched {
  /** Epoch ms; may be moved while the attempt goes on, to no earlier than the watchdog's nap from now. */
  deadlineMs: number;
  end(): void;
}

/**
 * One sleeper for all attempts: it looks at their deadlines whenever it wakes, so that an attempt needs no timer of its own.
 *
 * @param napMs how long it may sleep: no more than the shortest time that an attempt is ever given
 */
export function createWatchdog(clock: Clock, napMs: number, life: AbortSignal): Watchdog {
  const entries = new Map<Watched, () => void>();
  let awake = false;
  const patrol = async (): Promise<void> => {
    while (entries.size > 0) {
      const nowMs = clock.nowMs();
      let leftMs = napMs;
      for (const [entry, onLate] of entries) {
        leftMs = Math.min(leftMs, entry.deadlineMs - nowMs);
        if (entry.deadlineMs > nowMs) continue;
        entries.delete(entry);
        onLate();
      }
      await clock.sleep(Math.max(0, leftMs), life);
    }
    awake = false;
  };
  return {
    watch(deadlineMs, onLate) {
      const entry: Watched = { deadlineMs, end: () => entries.delete(entry) };
      entries.set(entry, onLate);
      if (!awake) {
        awake = true;
        // Rejects when the upload is over.
        patrol().catch(() => {});
      }
      return entry;
    },
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
  const { timeouts, clock, controller, watchdog, onSent } = options;
  const { signal } = controller;
  const { reportsProgress } = transport;
  const patience = 2 ** Math.min(options.attempt, MAX_DOUBLINGS);
  const sizeBytes = request.content?.sizeBytes ?? 0;

  // A transport that reports nothing gets the sum of all three for the whole attempt.
  let phase: Phase = reportsProgress ? 'connect' : 'response';
  const { connectMs, noProgressMs, responseMs } = timeouts;
  const firstMs = reportsProgress ? connectMs : connectMs + noProgressMs + responseMs;
  const watched = watchdog.watch(clock.nowMs() + firstMs * patience, () =>
    controller.abort(timeoutError(phase, request.url)),
  );
  const reach = (next: Phase): void => {
    if (!reportsProgress) return;
    phase = next;
    watched.deadlineMs = clock.nowMs() + (next === 'response' ? responseMs : noProgressMs) * patience;
  };

  try {
    return await transport.send(request, {
      signal,
      connectMs: connectMs * patience,
      onConnected: () => reach(sizeBytes > 0 ? 'no-progress' : 'response'),
      onSent(totalBytes) {
        reach(totalBytes >= sizeBytes ? 'response' : 'no-progress');
        onSent(Math.min(totalBytes, sizeBytes));
      },
    });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    watched.end();
  }
}

type Phase = 'connect' | 'no-progress' | 'response';

function timeoutError(phase: Phase, url: string): CosSliceError {
  const { hostname } = new URL(url);
  const what = {
    connect: `no connection to ${hostname} in time`,
    'no-progress': `nothing could be sent to ${hostname} for too long`,
    response: `${hostname} did not answer in time`,
  }[phase];
  return new CosSliceError('timeout', `${what}: check the network, or raise the timeouts`, {
    remedy: 'backoff',
    phase,
  });
}
