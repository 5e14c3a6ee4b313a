import type { CosSliceError } from '../errors.ts';
import { createExchange, type Exchange } from '../exchange/exchange.ts';
import { createServerTime } from '../exchange/server-time.ts';
import { trafficOf } from '../exchange/traffic.ts';
import type { Config } from '../options/options.ts';
import type { Clock, SignClaim, Transport, WireRequest } from '../ports.ts';
import { jsonObjects } from '../protocol/json-api/objects.ts';
import type { ObjectAnswers } from '../protocol/object-operations.ts';
import type { ObjectOperationName, Operation } from '../protocol/operations.ts';
import { adapted, type Wire } from '../protocol/wire.ts';
import { createAuthorizer } from '../signing/authorizer.ts';
import { linked, type Persist, type PersistContext } from './persist.ts';

/** Whoever has cancelled waits for it, though not for long. */
const UNDO_MS = 5000;

/** Made once: an error of its own for each operation would cost more than the rest. */
const OVER = new Error('over');

export interface PerformerOptions<C> {
  readonly config: Config;
  readonly transport: Transport<C>;
  readonly clock: Clock;
  readonly persist: Persist;
}

export interface Performer<C> {
  /** Carries out one operation. @throws CosSliceError; `signal.reason` when aborted */
  perform<Op extends ObjectOperationName>(
    path: string,
    operation: Operation<C, Op>,
    context: PersistContext<ObjectAnswers[Op]>,
  ): Promise<ObjectAnswers[Op]>;
  /** Lets a request through that downloads what is at the path. @throws CosSliceError `signing-failed`; `signal.reason` when aborted */
  authorizeDownload(path: string, url: string, signal: AbortSignal, refused?: string): Promise<WireRequest<C>>;
  /** The URL that downloads what is at the path, as long as its signature lives. Throws as `authorizeDownload`. */
  presignDownload(path: string, url: string, signal: AbortSignal): Promise<string>;
  /** What a refusal says of the server's clock. @returns the error to go on with */
  learn(error: CosSliceError): CosSliceError;
}

/** What a client's operations share: signatures and the server's clock. */
export function createPerformer<C>({ config, transport, clock, persist }: PerformerOptions<C>): Performer<C> {
  const { limiter, timeouts, appId, bucket } = config;
  const wire = objectsOf(config);
  const timeoutMs = timeouts.connectMs + timeouts.responseMs;
  const signer = createAuthorizer(wire, config.signer, { clock, timeoutMs });
  const serverTime = createServerTime(clock);

  const claimOf = (path: string, refused?: string): SignClaim => {
    return { appId, bucket, path, effect: 'download', nowSec: serverTime.nowSec(), refused };
  };

  return {
    perform: (path, operation, context) =>
      linked(context.signal, async (life) => {
        let undo: unknown;
        const noting: typeof wire = {
          ...wire,
          async decode(asked, response, at) {
            const reply = await wire.decode(asked, response, at);
            if ('undo' in reply) undo = reply.undo;
            return reply;
          },
        };
        const exchange = createExchange<C, ObjectOperationName>({
          wire: noting,
          target: { ...config, path },
          transport,
          signer,
          clock,
          timeouts,
          traffic: trafficOf(limiter),
          serverTime,
          life: life.signal,
        });
        // What begins alike is in a directory together, and a signature for the path alone would not say the others.
        const signedPath = operation.op === 'entries' ? path.replace(/[^/]*$/, '') : path;
        try {
          return await persist(async (one) => {
            // What is done twice is refused the second time, unless the server knows it for its own doing.
            const again = one.isDoubtful && (operation.op === 'move' || operation.op === 'copy');
            // No server has conflicts here.
            const asked = again ? Object.assign({}, operation, { again }) : operation;
            undo = undefined;
            try {
              const { reply } = await exchange.run(asked, { ...one, again, signedPath });
              return reply as ObjectAnswers[typeof operation.op];
            } catch (error) {
              if (undo !== undefined) await takeBack(exchange, Object.assign({}, operation, { more: undo }), clock);
              throw error;
            }
          }, context);
        } finally {
          life.abort(OVER);
        }
      }),
    learn: (error) => serverTime.learn(error),
    authorizeDownload: (path, url, signal, refused) =>
      signer.authorize({ method: 'GET', url }, claimOf(path, refused), signal),
    presignDownload: (path, url, signal) => signer.presign({ method: 'GET', url }, claimOf(path), signal),
  };
}

/** What is left behind costs money; that it could not be taken back is no failure of its own. */
async function takeBack<C>(
  exchange: Exchange<C, ObjectOperationName>,
  operation: Operation<C, ObjectOperationName>,
  clock: Clock,
): Promise<void> {
  const controller = new AbortController();
  const end = (): void => controller.abort(OVER);
  clock.sleep(UNDO_MS, controller.signal).then(end, end);
  await exchange.run(operation, { attempt: 0, controller }).catch(() => {});
  end();
}

/** The part of a wire that is about objects. */
export function objectsOf({ wire }: Config): Wire<ObjectOperationName> {
  return wire.objects ?? adapted(jsonObjects, wire.adapt);
}
