import { CosSliceError } from '../errors.ts';
import { MAX_PATIENCE, patienceFor } from '../exchange/attempt.ts';
import type { Watchdog } from '../exchange/watchdog.ts';
import type { TimeoutOptions } from '../options/options.ts';
import type { Clock, StreamedResponse, Transport, WireRequest } from '../ports.ts';

export interface Receiving<C> {
  readonly transport: Transport<C>;
  readonly request: WireRequest<C>;
  readonly clock: Clock;
  readonly watchdog: Watchdog;
  readonly timeouts: Required<TimeoutOptions>;
  /** Failed attempts before this one: they give it more time. */
  readonly attempt: number;
  /** Ends the attempt; aborted with the timeout as its reason when nothing comes in time. */
  readonly controller: AbortController;
  /** Looks at the head. What it throws ends the attempt. */
  check(response: StreamedResponse): void | Promise<void>;
  /** Takes the next bytes. It may take its time: that is not counted. */
  take(bytes: Uint8Array): Promise<void>;
}

/** One attempt at a response whose body is taken as it comes. @throws CosSliceError; `controller.signal.reason` when aborted */
export async function receive<C>(receiving: Receiving<C>): Promise<void> {
  const { transport, request, clock, watchdog, timeouts, attempt, controller, check, take } = receiving;
  if (!transport.receive) {
    const issue = { option: 'transport', message: 'must be able to receive, to download' };
    throw new CosSliceError('invalid-options', `invalid options: transport ${issue.message}`, { issues: [issue] });
  }
  // What is on the way may take all before it passes anything on; and where nobody sees it, a request may wait in a queue.
  const patience = attempt > 0 && !transport.reportsProgress ? MAX_PATIENCE : patienceFor(attempt);
  const connectMs = timeouts.connectMs * patience;
  const noProgressMs = timeouts.noProgressMs * patience;
  let phase: 'response' | 'no-progress' = 'response';
  const watched = {
    deadlineMs: clock.monotonicMs() + connectMs + timeouts.responseMs * patience,
    onLate(): void {
      const what = phase === 'response' ? 'did not answer' : 'sent no more bytes';
      const message = `${new URL(request.url).hostname} ${what} in time: check the network, or raise the timeouts`;
      controller.abort(new CosSliceError('timeout', message, { remedy: 'backoff', phase }));
    },
  };
  watchdog.watch(watched);
  try {
    const context = { signal: controller.signal, connectMs };
    const response = await transport.receive(request, context);
    await check(response);
    phase = 'no-progress';
    watched.deadlineMs = clock.monotonicMs() + noProgressMs;
    for await (const bytes of response.body) {
      watched.deadlineMs = Number.POSITIVE_INFINITY;
      controller.signal.throwIfAborted();
      await take(bytes);
      watched.deadlineMs = clock.monotonicMs() + noProgressMs;
    }
    controller.signal.throwIfAborted();
  } catch (error) {
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    watchdog.forget(watched);
    // Whatever is left of the body is not wanted.
    controller.abort();
  }
}
