import { CosSliceError } from '../errors.ts';
import type { TimeoutOptions } from '../options/options.ts';
import type { Clock, SendContext } from '../ports.ts';
import type { Watched } from './watchdog.ts';

export interface AttemptOptions {
  readonly url: string;
  /** Bytes of content. */
  readonly sizeBytes: number;
  readonly timeouts: Required<TimeoutOptions>;
  /** Failed attempts before this one: each doubles the time allowed, so that a slow link gets through in the end. */
  readonly attempt: number;
  /** The transport tells what has been sent. One that does not gets the sum of all three times for the whole attempt. */
  readonly reportsProgress: boolean;
  readonly clock: Clock;
  /** Aborted, with the timeout as its reason, when the attempt takes too long. */
  readonly controller: AbortController;
  readonly onSent: (totalBytes: number) => void;
}

/** What a transport is given for one attempt, and what the watchdog knows of it. */
export type Attempt = SendContext & Watched;

const MAX_DOUBLINGS = 4;

/** One request that connects, makes progress and is answered in time, or ends with `timeout`, once it is watched. */
export function createAttempt(options: AttemptOptions): Attempt {
  const { clock, controller, reportsProgress, sizeBytes } = options;
  const { connectMs, noProgressMs, responseMs } = options.timeouts;
  const patience = 2 ** Math.min(options.attempt, MAX_DOUBLINGS);
  let phase: Phase = reportsProgress ? 'connect' : 'response';
  const firstMs = reportsProgress ? connectMs : connectMs + noProgressMs + responseMs;
  /** Bytes of the content that have left tell what is waited for next. */
  const reach = (sentBytes: number): void => {
    if (!reportsProgress) return;
    phase = sentBytes >= sizeBytes ? 'response' : 'no-progress';
    attempt.deadlineMs = clock.monotonicMs() + (phase === 'response' ? responseMs : noProgressMs) * patience;
  };
  const attempt: Attempt = {
    signal: controller.signal,
    connectMs: connectMs * patience,
    deadlineMs: clock.monotonicMs() + firstMs * patience,
    onLate: () => controller.abort(timeoutError(phase, options.url)),
    onConnected: () => reach(0),
    onSent(totalBytes) {
      reach(totalBytes);
      options.onSent(Math.min(totalBytes, sizeBytes));
    },
  };
  return attempt;
}

type Phase = 'connect' | 'no-progress' | 'response';

const LATE = { connect: 'was not reached', 'no-progress': 'took no bytes', response: 'did not answer' };

function timeoutError(phase: Phase, url: string): CosSliceError {
  const what = `${new URL(url).hostname} ${LATE[phase]} in time: check the network, or raise the timeouts`;
  return new CosSliceError('timeout', what, { remedy: 'backoff', phase });
}
