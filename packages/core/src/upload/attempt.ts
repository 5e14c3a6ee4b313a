import { CosSliceError } from '../errors.ts';
import type { TimeoutOptions } from '../options.ts';
import type { Clock, Transport, WireRequest, WireResponse } from '../ports.ts';

export interface AttemptOptions {
  readonly timeouts: Required<TimeoutOptions>;
  /** Failed attempts before this one: each doubles the time allowed, so that a slow link gets through in the end. */
  readonly attempt: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onSent?: (totalBytes: number) => void;
}

const MAX_DOUBLINGS = 4;

/**
 * One request under watch: it connects, makes progress and is answered in time, or ends with `timeout`. Nothing hangs.
 *
 * @throws CosSliceError `network` or `timeout`; `signal.reason` when aborted
 */
export async function attemptRequest<C>(
  transport: Transport<C>,
  request: WireRequest<C>,
  options: AttemptOptions,
): Promise<WireResponse> {
  const { timeouts, clock, signal } = options;
  const patience = 2 ** Math.min(options.attempt, MAX_DOUBLINGS);
  const connectMs = timeouts.connectMs * patience;
  const noProgressMs = timeouts.noProgressMs * patience;
  const responseMs = timeouts.responseMs * patience;
  const sizeBytes = request.content?.sizeBytes ?? 0;

  const controller = new AbortController();
  const ended = new AbortController();
  const onAbort = (): void => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });

  // A transport that reports nothing gets the sum of all three for the whole attempt.
  let phase: 'connect' | 'no-progress' | 'response' = transport.reportsProgress ? 'connect' : 'response';
  let deadlineMs = clock.nowMs() + (transport.reportsProgress ? connectMs : connectMs + noProgressMs + responseMs);
  const reach = (next: typeof phase): void => {
    phase = next;
    deadlineMs = clock.nowMs() + (next === 'response' ? responseMs : noProgressMs);
  };
  const watch = async (): Promise<void> => {
    for (let leftMs = deadlineMs - clock.nowMs(); leftMs > 0; leftMs = deadlineMs - clock.nowMs()) {
      // The next phase may allow less time than this one: look again at least that often.
      await clock.sleep(Math.min(leftMs, connectMs, noProgressMs, responseMs), ended.signal);
    }
    controller.abort(timeoutError(phase, request.url));
  };
  // Rejects when the attempt has ended, which is how the watch stops.
  watch().catch(() => {});

  try {
    const sending = transport.send(request, {
      signal: controller.signal,
      connectMs,
      onConnected() {
        if (transport.reportsProgress) reach(sizeBytes > 0 ? 'no-progress' : 'response');
      },
      onSent(totalBytes) {
        if (transport.reportsProgress) reach(totalBytes >= sizeBytes ? 'response' : 'no-progress');
        options.onSent?.(Math.min(totalBytes, sizeBytes));
      },
    });
    return await sending;
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    ended.abort();
    signal.removeEventListener('abort', onAbort);
  }
}

function timeoutError(phase: 'connect' | 'no-progress' | 'response', url: string): CosSliceError {
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
