import { CosSliceError } from '../errors.ts';
import type { TimeoutOptions } from '../options/options.ts';
import type { Bandwidth, Clock, SendContext } from '../ports.ts';
import type { Watched } from './watchdog.ts';

export interface AttemptOptions {
  readonly url: string;
  /** Bytes of content. */
  readonly sizeBytes: number;
  readonly timeouts: Required<TimeoutOptions>;
  /** Failed attempts before this one: they give it more time. */
  readonly attempt: number;
  /** The server may have a lot to do before it answers, such as copying a whole object. */
  readonly long: boolean;
  /** The transport tells when a request has left, before it tells anything else. */
  readonly tellsConnection: boolean;
  readonly clock: Clock;
  /** How long the line may take for all that is under way on it. */
  lineMs(): number;
  /** Aborted, with the timeout as its reason, when the attempt takes too long. */
  readonly controller: AbortController;
  readonly bandwidth?: Bandwidth | undefined;
  readonly onSent?: ((totalBytes: number) => void) | undefined;
}

/** What a transport is given for one attempt, and what the watchdog knows of it. */
export interface Attempt extends SendContext, Watched {
  /** When the last byte of content had left, or the attempt began; on the monotonic clock. */
  readonly sentAtMs: number;
}

/** Each retry doubles the time that is allowed, so that a slow link gets through in the end. */
const MAX_DOUBLINGS = 4;
const MAX_PATIENCE = 2 ** MAX_DOUBLINGS;

/**
 * One request that connects, makes progress and is answered in time, or ends with `timeout`, once it is watched.
 *
 * Of what gives no sign, nobody knows whether it moves: it waits in a browser's queue, behind a service worker, in a proxy that
 * takes everything at once. So it gets all three times and what the line may take; and once it has been broken off for that
 * reason, the next attempt gets so much more that it is not broken off again before it can have arrived.
 */
export function createAttempt(options: AttemptOptions): Attempt {
  const { clock, controller, sizeBytes, onSent } = options;
  const { connectMs, noProgressMs, responseMs } = options.timeouts;
  const patience = 2 ** Math.min(options.attempt, MAX_DOUBLINGS);
  const patienceInTheDark = options.attempt > 0 ? MAX_PATIENCE : 1;
  let phase: Phase = 'connect';

  const answerMs = (): number =>
    responseMs * (options.long ? MAX_PATIENCE : patience) + options.lineMs() * patienceInTheDark;
  const enter = (next: Phase, allowedMs: number): void => {
    phase = next;
    attempt.sentAtMs = clock.monotonicMs();
    attempt.deadlineMs = attempt.sentAtMs + allowedMs;
  };
  /** Bytes of the content that have left tell what is waited for next. */
  const reach = (sentBytes: number): void =>
    sentBytes < sizeBytes ? enter('no-progress', noProgressMs * patience) : enter('response', answerMs());
  const attempt = {
    signal: controller.signal,
    bandwidth: options.bandwidth,
    connectMs: connectMs * patience,
    deadlineMs: 0,
    sentAtMs: 0,
    onLate: () => controller.abort(timeoutError(phase, options.url)),
    onConnected: () => reach(0),
    onSent(totalBytes: number) {
      reach(totalBytes);
      onSent?.(Math.min(totalBytes, sizeBytes));
    },
  };
  if (options.tellsConnection) enter('connect', attempt.connectMs);
  else enter('response', (connectMs + noProgressMs) * patienceInTheDark + answerMs());
  return attempt;
}

type Phase = 'connect' | 'no-progress' | 'response';

const LATE = { connect: 'was not reached', 'no-progress': 'took no bytes', response: 'did not answer' };

function timeoutError(phase: Phase, url: string): CosSliceError {
  const what = `${new URL(url).hostname} ${LATE[phase]} in time: check the network, or raise the timeouts`;
  return new CosSliceError('timeout', what, { remedy: 'backoff', phase });
}
