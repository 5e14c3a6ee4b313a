import { isCosSliceError } from '../errors.ts';
import type { TimeoutOptions } from '../options/options.ts';
import type { Authorization, Bandwidth, Clock, Transport, WireResponse } from '../ports.ts';
import {
  type Answer,
  type AnyOperationName,
  mayTakeLong,
  type Operation,
  type OperationName,
} from '../protocol/operations.ts';
import type { Target, Wire } from '../protocol/wire.ts';
import { createAuthorizer, type GivenSigner } from '../signing/authorizer.ts';
import { createAttempt, LEAST_SILENCE_MS } from './attempt.ts';
import { createServerTime, type ServerTime } from './server-time.ts';
import type { Traffic } from './traffic.ts';
import { createWatchdog } from './watchdog.ts';

export interface ExchangeOptions<C, Name extends AnyOperationName = OperationName> {
  readonly wire: Wire<Name>;
  readonly target: Target;
  readonly transport: Transport<C>;
  readonly signer: GivenSigner;
  readonly clock: Clock;
  readonly timeouts: Required<TimeoutOptions>;
  /** Of all who share the line. */
  readonly traffic: Traffic;
  readonly bandwidth?: Bandwidth | undefined;
  /** Of all who talk to the server. Default: what this exchange learns. */
  readonly serverTime?: ServerTime;
  /** Aborted when there will be no more attempts. */
  readonly life: AbortSignal;
}

export interface AttemptContext {
  /** Of the object, where the exchange is about several. Default: the target's. */
  readonly path?: string;
  /** What the signature has to be for. Default: the path. */
  readonly signedPath?: string;
  /** Failed attempts of this operation so far. */
  readonly attempt: number;
  /** Ends the attempt; aborted by the exchange too, with the timeout as its reason, when the attempt takes too long. */
  readonly controller: AbortController;
  /** Called when the request is authorised and about to be sent; what it throws is the outcome, and nothing is sent. */
  readonly beforeSend?: (() => Promise<void>) | undefined;
  /**
   * An earlier attempt of this very operation may have been carried out: a signature for one use is brought again, since a
   * server may tell by it that it has done the work. One that it does not take any more is renewed.
   */
  readonly again?: boolean | undefined;
  /** Bytes of content handed to the network so far. */
  readonly onSent?: ((totalBytes: number) => void) | undefined;
}

/** What came of an attempt that was answered. */
export interface Outcome<Op extends AnyOperationName = OperationName> {
  readonly reply: Answer<Op>;
  /** The answer took so long after all had been sent that too much must be on the way. */
  readonly slow: boolean;
}

/** Requests about one object, or several that share what is known of their server. */
export interface Exchange<C, Name extends AnyOperationName = OperationName> {
  /** The URL of the object. */
  url(path?: string): string;
  /**
   * One attempt of an operation: authorised, sent, watched and understood.
   *
   * @throws CosSliceError what the server refused it with, `network`, `timeout`, `signing-failed`; `controller.signal.reason` when aborted
   */
  run<Op extends Name>(operation: Operation<C, Op>, context: AttemptContext): Promise<Outcome<Op>>;
  /** Requests answered or failed so far. */
  readonly requests: number;
  /** Signatures asked of the signer so far. */
  readonly signatures: number;
}

export function createExchange<C, Name extends AnyOperationName = OperationName>(
  options: ExchangeOptions<C, Name>,
): Exchange<C, Name> {
  const {
    wire,
    target,
    transport,
    clock,
    timeouts,
    traffic,
    life,
    bandwidth,
    serverTime = createServerTime(clock),
  } = options;
  const { connectMs, noProgressMs, responseMs } = timeouts;
  let located: { readonly path: string; readonly url: string } | undefined;
  const url = (path = target.path): string => {
    if (path !== located?.path) located = { path, url: wire.locate({ ...target, path }) };
    return located.url;
  };
  const authorizer = createAuthorizer(wire, options.signer, { clock, timeoutMs: connectMs + responseMs });
  const watchdog = createWatchdog(clock, Math.min(connectMs, noProgressMs, responseMs, LEAST_SILENCE_MS), life);
  let requests = 0;
  let answered = false;
  let refused: string | undefined;
  let spent: Authorization | undefined;

  const exchange: Exchange<C, Name> = {
    url,
    get requests() {
      return requests;
    },
    get signatures() {
      return authorizer.asked;
    },
    async run(operation, context) {
      const { attempt, controller, beforeSend, again, onSent } = context;
      const { appId, bucket } = target;
      const { path = target.path } = context;
      const at = url(path);
      const effect = wire.effectOf(operation.op);
      const claim = { appId, bucket, path: context.signedPath ?? path, effect, nowSec: serverTime.nowSec(), refused };
      const encoded = wire.encode(operation, at);
      const request =
        again && spent && spent.value !== refused
          ? { ...encoded, authorization: spent }
          : await authorizer.authorize(encoded, claim, controller.signal);
      if (effect === 'once' && wire.traits.signatureCovers === 'object') spent = request.authorization;
      if (beforeSend) await beforeSend();
      controller.signal.throwIfAborted();
      const sizeBytes = request.content?.sizeBytes ?? 0;
      if (!transport.paces) await bandwidth?.take(sizeBytes, controller.signal);
      const shipment = traffic.enter(sizeBytes, clock.monotonicMs());
      const watched = createAttempt({
        url: at,
        sizeBytes,
        timeouts,
        // A server that has never answered gets no more time for a retry: a wrong address must fail fast.
        attempt: sizeBytes > 0 || answered ? attempt : 0,
        long: mayTakeLong(operation),
        tellsConnection: transport.reportsProgress && !transport.queues,
        clock,
        lineMs: traffic.lineMs,
        shipment,
        repeatable: operation.op === 'slice',
        controller,
        bandwidth,
        onSent,
      });
      let response: WireResponse | undefined;
      let nowMs = 0;
      watchdog.watch(watched);
      try {
        response = await transport.send(request, watched);
      } finally {
        watchdog.forget(watched);
        requests += 1;
        nowMs = clock.monotonicMs();
        const { reason } = controller.signal;
        const late = isCosSliceError(reason, 'timeout') && !reason.stale;
        shipment.end(response ? 'arrived' : late ? 'late' : 'broken-off', nowMs);
      }
      answered = true;
      if (sizeBytes > 0) onSent?.(sizeBytes);
      const decoded = wire.decode(operation, response, at);
      const reply = 'kind' in decoded ? decoded : await decoded;
      const slow = sizeBytes > 0 && nowMs - watched.sentAtMs > timeouts.responseMs / 2;
      if (reply.kind === 'more') return exchange.run(Object.assign({}, operation, { more: reply.more }), context);
      if (reply.kind !== 'failed') return { reply, slow };
      const error = serverTime.learn(reply.error);
      // The signature may be in the URL.
      if (error.remedy === 'resign') refused = request.authorization?.value ?? request.url;
      throw error;
    },
  };
  return exchange;
}
