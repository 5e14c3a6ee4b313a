import { isCosSliceError } from '../errors.ts';
import { createExchange } from '../exchange/exchange.ts';
import { outcomeOf } from '../exchange/outcome.ts';
import { trafficOf } from '../exchange/traffic.ts';
import type { Config } from '../options/options.ts';
import type { AttemptReport, Clock, Transport } from '../ports.ts';

export interface DirectOptions<C> {
  /** Of an upload to anywhere: its `path` counts for nothing. */
  readonly config: Config;
  readonly transport: Transport<C>;
  readonly clock: Clock;
  random(): number;
  /** Aborted when there will be no more contents. */
  readonly life: AbortSignal;
}

/** A content that goes in one request, and its digest where there is to be one. */
export interface DirectContent<C> {
  readonly body: C;
  readonly sizeBytes: number;
  /** Hex, by `Direct.algorithm`. */
  readonly digest?: string | undefined;
}

/**
 * The straight way for many small contents: options are checked once, and all of them share their signatures and time limits. Each
 * gets one attempt, which replaces what is at its path. Whatever does not lead straight to an object is left to an upload.
 */
export interface Direct<C> {
  /** Of the digest that contents are to have. */
  readonly algorithm: 'sha1' | 'md5' | undefined;
  /** Whether a content of that size may go this way to that path. */
  takes(path: string, sizeBytes: number): boolean;
  /** What an upload may still try after what `put` has thrown: that attempt was one of its own. */
  retryAfter(error: unknown): Config['retry'];
  /** Waits for one of the limiter's places, and room for so much content. @throws `signal.reason` when aborted */
  enter(bytes: number, signal: AbortSignal): Promise<DirectPlace<C>>;
}

/** To be left in any case. */
export interface DirectPlace<C> {
  /**
   * Makes the attempt. `controller` is aborted by it when that takes too long.
   *
   * @throws CosSliceError where the content may not be there; `controller.signal.reason` when aborted
   */
  put(path: string, content: DirectContent<C>, controller: AbortController): Promise<void>;
  leave(): void;
}

export function createDirect<C>({ config, transport, clock, random, life }: DirectOptions<C>): Direct<C> {
  const { limiter, wire, integrity, attributes, singleRequestMaxBytes, retry, overwrite } = config;
  const exchange = createExchange<C>({
    ...config,
    target: config,
    transport,
    clock,
    traffic: trafficOf(limiter),
    life,
  });
  const mark = random().toString(36).slice(2);
  const sha1 = wire.traits.integrity.includes('sha1');
  // A CRC-64 is compared with the object that is there, which an upload sees to.
  const isOpen = overwrite === true && retry.attempts > 1 && integrity !== 'crc64';

  return {
    algorithm: integrity === 'none' ? undefined : sha1 ? 'sha1' : 'md5',
    takes: (path, sizeBytes) =>
      isOpen && sizeBytes > 0 && sizeBytes <= singleRequestMaxBytes && wire.check({ ...config, path }).length === 0,
    retryAfter: (error) => {
      const isCounted = isCosSliceError(error) && error.remedy === 'backoff' && !error.stale;
      return isCounted ? { ...retry, attempts: retry.attempts - 1 } : retry;
    },
    async enter(bytes, signal) {
      let report: AttemptReport = { outcome: 'neutral', bytes: 0 };
      const leave = await limiter.acquire(signal, {}, bytes);
      return {
        async put(path, { body, sizeBytes, digest }, controller) {
          const sums = sha1 ? { sha: digest } : { md5: digest };
          const operation = {
            op: 'single',
            sizeBytes,
            content: body,
            overwrite: true,
            attributes,
            mark,
            ...sums,
          } as const;
          try {
            const { reply, slow } = await exchange.run(operation, { path, attempt: 0, controller });
            if (reply.kind === 'conflict') throw reply.error;
            report = { outcome: slow ? 'busy' : 'ok', bytes: sizeBytes };
          } catch (error) {
            if (isCosSliceError(error)) report = { outcome: outcomeOf(error), bytes: 0 };
            throw error;
          }
        },
        leave: () => leave(report),
      };
    },
  };
}
