import { type CosSliceError, isCosSliceError } from '../errors.ts';
import { countTry, judge, type Tries } from '../exchange/judge.ts';
import { onAbort } from '../on-abort.ts';
import type { Config } from '../options/options.ts';
import type { AttemptReport, Clock, Network } from '../ports.ts';

export interface PersistOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly network: Network | undefined;
  random(): number;
}

export interface PersistContext<T> {
  readonly signal?: AbortSignal | undefined;
  /**
   * Looks whether something has been done whose reply may have got lost; this was the last that was heard.
   *
   * @returns its outcome; undefined: it has not
   */
  settle?(error: CosSliceError): Promise<T | undefined>;
}

/** One attempt. It may end early by its `controller`, which is aborted when the whole is cancelled. */
export interface Try {
  /** Failed attempts before this one. */
  readonly attempt: number;
  /** One of them may have been carried out, although its answer was not heard. */
  readonly isDoubtful: boolean;
  readonly controller: AbortController;
  /** There was progress, of so many bytes: attempts are counted from here. */
  moved(bytes: number): void;
}

const UNTRIED: Tries = { attempt: 0, opaque: 0, doubts: 0, hangs: 0, resigns: 0 };

/**
 * Makes as many attempts as `judge` allows, each in a place of the limiter.
 *
 * @throws what the last attempt threw; `signal.reason` when aborted
 */
export type Persist = <T>(run: (one: Try) => Promise<T>, context: PersistContext<T>) => Promise<T>;

/** All that persists through it shares what is known of the server. */
export function createPersist({ config, clock, network, random }: PersistOptions): Persist {
  const { limiter, retry } = config;
  const standing = { contacted: false, carried: false, trusted: false };

  return async (run, { signal, settle }) => {
    const owner = {};
    let tries: Tries = UNTRIED;
    let isDoubtful = false;

    const attempt = async (controller: AbortController): ReturnType<typeof run> => {
      const leave = await limiter.acquire(controller.signal, owner);
      let report: AttemptReport = { outcome: 'neutral', bytes: 0 };
      let movedBytes = 0;
      const moved = (bytes: number): void => {
        movedBytes += bytes;
        tries = UNTRIED;
      };
      try {
        const outcome = await run({ attempt: tries.attempt, isDoubtful, controller, moved });
        if (movedBytes > 0) report = { outcome: 'ok', bytes: movedBytes };
        return outcome;
      } catch (error) {
        if (isCosSliceError(error, 'unavailable')) report = { outcome: 'busy', bytes: 0 };
        throw error;
      } finally {
        leave(report);
      }
    };

    for (;;) {
      try {
        const outcome = await linked(signal, attempt);
        standing.contacted = standing.carried = standing.trusted = true;
        return outcome;
      } catch (error) {
        signal?.throwIfAborted();
        if (!isCosSliceError(error)) throw error;
        if (error.wireCode !== undefined) standing.contacted = standing.carried = true;
        isDoubtful ||= mayHaveActed(error);
        if (error.code === 'network' && !error.reached && network?.online() === false) {
          await linked(signal, (waiting) => backOnline(network, clock, retry.maxDelayMs, waiting));
          continue;
        }
        const verdict = judge(tries, error, retry, { ...standing, random: random() });
        if (verdict.do === 'give-up') {
          const outcome = isDoubtful ? await settle?.(error).catch(() => undefined) : undefined;
          signal?.throwIfAborted();
          if (outcome === undefined) throw error;
          return outcome;
        }
        if (verdict.do === 'resign') tries = { ...tries, resigns: tries.resigns + 1 };
        if (verdict.do !== 'again') continue;
        tries = countTry(tries, error);
        await linked(signal, (waiting) => clock.sleep(verdict.afterMs, waiting.signal));
      }
    }
  };
}

/** Does something that can be ended by itself, and ends with the whole. */
export async function linked<T>(
  signal: AbortSignal | undefined,
  run: (controller: AbortController) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const leave = signal && onAbort(signal, () => controller.abort(signal.reason));
  try {
    return await run(controller);
  } finally {
    leave?.();
  }
}

/** Whether a server may have done what it was asked, although this is all that was heard of it. */
function mayHaveActed({ code, unreachable, phase }: CosSliceError): boolean {
  if (code === 'network') return !unreachable;
  return (code === 'timeout' && phase !== 'connect') || code === 'bad-reply' || code === 'unavailable';
}

/** Until there is a network, or for a while: what says that there is none may be wrong. */
async function backOnline(network: Network, clock: Clock, atMostMs: number, waiting: AbortController): Promise<void> {
  const unsubscribe = network.subscribe(() => network.online() && waiting.abort());
  await clock.sleep(atMostMs, waiting.signal).catch(() => {});
  unsubscribe();
}
