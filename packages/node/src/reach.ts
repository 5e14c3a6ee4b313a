import { setTimeout as delay } from 'node:timers/promises';
import { isTooFar } from './transport-errors.ts';
import { isOutOfFiles, RETRY_MS, untilAborted } from './waiting.ts';

/** As the runtime's own default. */
export const FIRST_ADDRESS_MS: number = 250;

/** How long each address of a host that has several gets to answer, in the terms of `net.connect`. */
export interface AddressTimes {
  readonly autoSelectFamily: true;
  /** In ms. */
  readonly autoSelectFamilyAttemptTimeout: number;
}

/**
 * Makes a request. Each of several addresses gets a moment to answer; where all were too slow, they get twice as much, now and
 * from then on, until `connectMs` is over: a far host is reached, and an address that leads nowhere costs little where others
 * are near. While too many files are open, it is tried again, too.
 *
 * @param attempt makes one; `leftMs` is what is left of `connectMs`
 * @throws what the last attempt failed with; `signal.reason` when aborted
 */
export type Reach = <T>(
  limits: { readonly connectMs: number; readonly signal?: AbortSignal | null | undefined },
  attempt: (times: AddressTimes, leftMs: number) => Promise<T>,
) => Promise<T>;

export function createReach(): Reach {
  let addressMs = FIRST_ADDRESS_MS;
  return async ({ connectMs, signal }, attempt) => {
    const giveUpAtMs = performance.now() + connectMs;
    for (;;) {
      const triedMs = addressMs;
      const times = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: triedMs } as const;
      try {
        return await attempt(times, Math.max(0, giveUpAtMs - performance.now()));
      } catch (error) {
        signal?.throwIfAborted();
        const { cause } = error as Error;
        const leftMs = giveUpAtMs - performance.now();
        if (isOutOfFiles(cause) && leftMs > 0) await untilAborted(delay(RETRY_MS), signal ?? undefined);
        else if (isTooFar(cause) && leftMs > triedMs) addressMs = Math.max(addressMs, triedMs * 2);
        else throw error;
      }
    }
  };
}
