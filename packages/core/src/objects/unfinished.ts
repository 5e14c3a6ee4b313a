import { systemClock } from '../clock.ts';
import { CosSliceError } from '../errors.ts';
import { createExchange, type Exchange } from '../exchange/exchange.ts';
import { createServerTime } from '../exchange/server-time.ts';
import { trafficOf } from '../exchange/traffic.ts';
import { parseOptions } from '../options/options.ts';
import type { Platform } from '../ports.ts';
import type { Answer, AnyOperationName, Operation } from '../protocol/operations.ts';
import type { Wire } from '../protocol/wire.ts';
import { sessionsOf } from '../protocol/xml/sessions.ts';
import { detours } from '../upload/detours.ts';
import type { CallOptions, ClientOptions } from './client.ts';
import { watchPages } from './pages.ts';
import { createPersist, linked, type Try } from './persist.ts';

/** An upload that was begun and has neither been finished nor given up. */
export interface UnfinishedUpload {
  readonly path: string;
  /** Names it to the server. */
  readonly session: string;
  readonly startedAt?: Date | undefined;
}

/** What the server holds of one. */
export interface UnfinishedContent {
  readonly storedBytes: number;
  readonly slices: number;
  /** Of the whole, where the server knows it. */
  readonly sizeBytes?: number | undefined;
}

/** Uploads of a bucket that are not finished. Every call has the retries, timeouts and signatures of uploads. */
export interface UnfinishedUploads {
  /**
   * Those whose path begins like this, in the order of paths. On the JSON API, which tells of one path only, the one at the path.
   *
   * @throws CosSliceError `invalid-options` for an empty path, on the JSON API
   */
  list(prefix: string, options?: CallOptions): AsyncGenerator<UnfinishedUpload, void, undefined>;
  /** @returns undefined when it is gone */
  look(upload: UnfinishedUpload, options?: CallOptions): Promise<UnfinishedContent | undefined>;
  /**
   * Removes one with all that the server holds of it, and what is remembered here of it (`resume`). One that is gone already is
   * no error; an object that is at its path stays.
   *
   * @returns whether it was remembered here
   */
  discard(upload: UnfinishedUpload, options?: CallOptions): Promise<boolean>;
}

/** @throws CosSliceError `invalid-options`, at once, with every issue */
export function createUnfinishedUploads<C>(
  options: ClientOptions,
  platform: Omit<Platform<C>, 'hasher'>,
): UnfinishedUploads {
  const { transport, network, clock = systemClock, random = Math.random } = platform;
  const config = parseOptions({ ...options, path: 'any' });
  const { limiter, resume, signer, timeouts, wire } = config;
  const persist = createPersist({ config, clock, network, random });
  const serverTime = createServerTime(clock);
  const lists = wire.traits.detectsUnfinished ? undefined : sessionsOf(wire);

  /** Makes attempts at something that is about one path. */
  const attempts = <Name extends AnyOperationName, T>(
    over: Wire<Name>,
    path: string,
    attempt: (exchange: Exchange<C, Name>, one: Try) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> =>
    linked(signal, (life) => {
      const target = { ...config, path };
      const shared = { transport, signer, clock, timeouts, traffic: trafficOf(limiter), serverTime };
      const exchange = createExchange<C, Name>({ wire: over, target, ...shared, life: life.signal });
      return persist((one) => attempt(exchange, one), { signal });
    });

  const ask = <Name extends AnyOperationName, Op extends Name>(
    over: Wire<Name>,
    path: string,
    operation: Operation<C, Op>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<Op>> =>
    attempts(over, path, async (exchange, one) => (await exchange.run(operation, one)).reply, signal);

  const checked = (path: string): string => {
    const asked = String(path).replace(/^\/+/, '');
    const [issue] = wire.check({ ...config, path: asked });
    if (issue)
      throw new CosSliceError('invalid-options', `invalid options: path ${issue.message}`, { issues: [issue] });
    return asked;
  };

  /** What is at the path: an upload, and nothing else counts. */
  const find = async (path: string, session: string | undefined, signal: AbortSignal | undefined) => {
    const reply = await ask(wire, path, { op: 'list', session }, signal);
    return reply.kind === 'listed' ? reply : undefined;
  };

  return {
    async *list(prefix, { signal } = {}) {
      if (!lists) {
        const path = checked(prefix);
        const found = await find(path, undefined, signal);
        if (found) yield { path, session: found.session };
        return;
      }
      let context: readonly [path: string, session: string] | undefined;
      const watch = watchPages();
      do {
        const page = await ask(lists, '', { op: 'sessions', prefix, context }, signal);
        if (page.kind !== 'sessions') return;
        yield* page.sessions;
        context = page.context;
        if (context) watch(context.join('\n'));
      } while (context);
    },
    async look({ path, session }, { signal } = {}) {
      const found = await find(checked(path), session, signal);
      if (found?.session !== session) return undefined;
      const storedBytes = found.stored.reduce((sum, { length }) => sum + length, 0);
      return { storedBytes, slices: found.stored.length, sizeBytes: found.sizeBytes };
    },
    async discard({ path: given, session }, { signal } = {}) {
      const path = checked(given);
      const found = lists ? { sessionDelete: true } : await find(path, undefined, signal);
      if (found) {
        const doomed = { session, exact: found.sessionDelete === true };
        await attempts(
          wire,
          path,
          (exchange, one) =>
            detours.discard(doomed, (operation, beforeSend) => exchange.run(operation, { ...one, beforeSend })),
          signal,
        );
      }
      if (resume === false) return false;
      const key = wire.locate({ ...config, path });
      const record = await resume.load(key);
      // Behind the id of a multipart upload, records have the mark of what it makes.
      if (record?.session?.replace(/ .*/, '') !== session) return false;
      await resume.remove(key);
      return true;
    },
  };
}
