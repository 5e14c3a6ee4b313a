import { CosSliceError } from '../errors.ts';
import type { TimeoutOptions } from '../options/options.ts';
import type { Bandwidth, Clock, SendContext } from '../ports.ts';
import type { Shipment } from './traffic.ts';
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
  /** What is sent, among what others send. */
  readonly shipment: Shipment;
  /** It may be sent again at once, whether it has arrived or not: a slice. */
  readonly repeatable: boolean;
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
export const MAX_PATIENCE = 16;
export const patienceFor = (attempt: number): number => Math.min(2 ** attempt, MAX_PATIENCE);
/** Stands out: silent for that many times as long as its slowest fellow took in all, or under way for that many times. */
const SILENT = 3;
const UNDER_WAY = 10;
/** With less than this nothing stands out: lost packets, disks and machines that are busy need their time. */
export const LEAST_SILENCE_MS = 5000;
const LEAST_UNDER_WAY_MS = 20_000;

/**
 * One request that connects, makes progress and is answered in time, or ends with `timeout`, once it is watched.
 *
 * Of what gives no sign, nobody knows whether it moves: it waits in a browser's queue, behind a service worker, in a proxy that
 * takes everything at once. So it gets all three times and what the line may take; and once it has been broken off for that
 * reason, the next attempt gets so much more that it is not broken off again before it can have arrived.
 *
 * What stands out among its fellows while those arrive is on a connection that hangs: long before any of these times is over it
 * is sent again on another one, which costs no attempt. Few may; the others wait, though no longer than fellows justify.
 */
export function createAttempt(options: AttemptOptions): Attempt {
  const { clock, controller, sizeBytes, onSent } = options;
  const { connectMs, noProgressMs, responseMs } = options.timeouts;
  const patience = patienceFor(options.attempt);
  const patienceInTheDark = options.attempt > 0 ? MAX_PATIENCE : 1;
  const { shipment } = options;
  const startedAtMs = clock.monotonicMs();
  let phase: Phase = 'connect';
  let allowedUntilMs = 0;

  const answerMs = (): number =>
    responseMs * (options.long ? MAX_PATIENCE : patience) + options.lineMs() * patienceInTheDark;
  const enter = (next: Phase, allowedMs: number): void => {
    phase = next;
    attempt.sentAtMs = clock.monotonicMs();
    allowedUntilMs = attempt.sentAtMs + allowedMs;
  };
  const standsOutAtMs = (): number => {
    if (!options.repeatable) return Number.POSITIVE_INFINITY;
    const { sentAtMs } = attempt;
    const usualMs = shipment.usualMs(sentAtMs);
    // The line may have become slower than it was for its fellows: what fails for this has twice as long the next time.
    if (!shipment.mayRepeat) return sentAtMs + Math.max(responseMs, usualMs * MAX_PATIENCE) * patience;
    const silentMs = Math.max(LEAST_SILENCE_MS, usualMs * SILENT);
    return Math.min(sentAtMs + silentMs, startedAtMs + Math.max(LEAST_UNDER_WAY_MS, usualMs * UNDER_WAY));
  };
  /** Bytes of the content that have left tell what is waited for next. */
  const reach = (sentBytes: number): void =>
    sentBytes < sizeBytes ? enter('no-progress', noProgressMs * patience) : enter('response', answerMs());
  const attempt = {
    signal: controller.signal,
    bandwidth: options.bandwidth,
    connectMs: connectMs * patience,
    get deadlineMs() {
      return Math.min(allowedUntilMs, standsOutAtMs());
    },
    sentAtMs: 0,
    onLate() {
      const isEarly = options.repeatable && shipment.mayRepeat && clock.monotonicMs() < allowedUntilMs;
      if (isEarly) shipment.repeat();
      controller.abort(timeoutError(phase, options.url, isEarly));
    },
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

function timeoutError(phase: Phase, url: string, stale: boolean): CosSliceError {
  const what = `${new URL(url).hostname} ${LATE[phase]} in time: check the network, or raise the timeouts`;
  return new CosSliceError('timeout', what, { remedy: 'backoff', phase, stale });
}
