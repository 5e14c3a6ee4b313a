import type { TimeoutOptions } from '../options/options.ts';
import type { Authorizer, Clock, Signer, Transport, WireResponse } from '../ports.ts';
import type { Answer, Operation, OperationName } from '../protocol/operations.ts';
import type { Target, Wire } from '../protocol/wire.ts';
import { createAuthorizer } from '../signing/authorizer.ts';
import { createAttempt } from './attempt.ts';
import { createWatchdog } from './watchdog.ts';

export interface ExchangeOptions<C> {
  readonly wire: Wire;
  readonly target: Target;
  readonly transport: Transport<C>;
  readonly signer: Signer | Authorizer;
  readonly clock: Clock;
  readonly timeouts: Required<TimeoutOptions>;
  /** Aborted when there will be no more attempts. */
  readonly life: AbortSignal;
}

export interface AttemptContext {
  /** Failed attempts of this operation so far. */
  readonly attempt: number;
  /** Ends the attempt; aborted by the exchange too, with the timeout as its reason, when the attempt takes too long. */
  readonly controller: AbortController;
  /** Called when the request is authorised and about to be sent; what it throws is the outcome, and nothing is sent. */
  beforeSend?(): Promise<void>;
  /** Bytes of content handed to the network so far. */
  onSent?(totalBytes: number): void;
}

/** What came of an attempt that was answered. */
export interface Outcome<Op extends OperationName> {
  readonly reply: Answer<Op>;
}

/** Requests about one object. */
export interface Exchange<C> {
  /** The URL of the object. */
  readonly url: string;
  /**
   * One attempt of an operation: authorised, sent, watched and understood.
   *
   * @throws CosSliceError what the server refused it with, `network`, `timeout`, `signing-failed`; `controller.signal.reason` when aborted
   */
  run<Op extends OperationName>(operation: Operation<C, Op>, context: AttemptContext): Promise<Outcome<Op>>;
  /** Requests answered or failed so far. */
  readonly requests: number;
  /** Signatures asked of the signer so far. */
  readonly signatures: number;
}

export function createExchange<C>(options: ExchangeOptions<C>): Exchange<C> {
  const { wire, target, transport, clock, timeouts, life } = options;
  const { connectMs, noProgressMs, responseMs } = timeouts;
  const url = wire.locate(target);
  const authorizer = createAuthorizer(wire, options.signer, { clock, timeoutMs: connectMs + responseMs });
  const watchdog = createWatchdog(clock, Math.min(connectMs, noProgressMs, responseMs), life);
  let requests = 0;
  let answered = false;
  /** The server's clock, as far as a reply has told that it is not ours. */
  let skewMs = 0;
  let refused: string | undefined;

  return {
    url,
    get requests() {
      return requests;
    },
    get signatures() {
      return authorizer.asked;
    },
    async run(operation, { attempt, controller, beforeSend, onSent }) {
      const { appId, bucket, path } = target;
      const nowSec = Math.floor((clock.nowMs() + skewMs) / 1000);
      const claim = { appId, bucket, path, effect: wire.effectOf(operation.op), nowSec, refused };
      const request = await authorizer.authorize(wire.encode(operation, url), claim, controller.signal);
      await beforeSend?.();
      controller.signal.throwIfAborted();
      const sizeBytes = request.content?.sizeBytes ?? 0;
      const watched = createAttempt({
        url,
        sizeBytes,
        timeouts,
        // A slow link or a busy server gets more time with every retry; a server that has never answered does not: a wrong
        // address must fail fast.
        attempt: sizeBytes > 0 || answered ? attempt : 0,
        reportsProgress: transport.reportsProgress,
        clock,
        controller,
        onSent: (totalBytes) => onSent?.(totalBytes),
      });
      let response: WireResponse;
      watchdog.watch(watched);
      try {
        response = await transport.send(request, watched);
      } finally {
        watchdog.forget(watched);
        requests += 1;
      }
      answered = true;
      if (sizeBytes > 0) onSent?.(sizeBytes);
      const reply = wire.decode(operation, response);
      if (reply.kind !== 'failed') return { reply };
      const { error } = reply;
      if (error.remedy === 'resign') {
        refused = request.authorization?.value;
        if (error.serverDateMs !== undefined) skewMs = error.serverDateMs - clock.nowMs();
      }
      throw error;
    },
  };
}
