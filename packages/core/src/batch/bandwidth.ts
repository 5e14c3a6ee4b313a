import { systemClock } from '../clock.ts';
import { CosSliceError } from '../errors.ts';
import type { Bandwidth, Clock } from '../ports.ts';

/** A wait is looked at again after this long: the rate may have changed. */
const LOOK_MS = 100;

/**
 * Bytes per second that all who are given it share: uploads, downloads, clients. `bytesPerSecond` may be set at any time, to
 * `Infinity` as well.
 *
 * @throws CosSliceError `invalid-options`
 */
export function createBandwidth(bytesPerSecond: number, clock: Clock = systemClock): Bandwidth {
  let rate = 0;
  /** Bytes that were taken and whose time is not over, as of `atMs`. */
  let owed = 0;
  let atMs = clock.monotonicMs();
  let queue: Promise<unknown> = Promise.resolve();

  const settle = (): void => {
    const nowMs = clock.monotonicMs();
    owed = Math.max(0, owed - ((nowMs - atMs) * rate) / 1000 || 0);
    atMs = nowMs;
  };
  const turn = async (bytes: number, signal: AbortSignal): Promise<void> => {
    for (settle(); owed > 0 && rate < Number.POSITIVE_INFINITY; settle()) {
      await clock.sleep(Math.max(1, Math.min(LOOK_MS, (owed / rate) * 1000)), signal);
    }
    signal.throwIfAborted();
    owed += bytes;
  };
  const bandwidth: Bandwidth = {
    get bytesPerSecond() {
      return rate;
    },
    set bytesPerSecond(next) {
      if (!(next > 0)) throw new CosSliceError('invalid-options', 'bandwidth must be more than 0 bytes per second');
      settle();
      rate = next;
    },
    take(bytes, signal) {
      const taken = queue.then(() => turn(bytes, signal));
      queue = taken.catch(() => {});
      return taken;
    },
  };
  bandwidth.bytesPerSecond = bytesPerSecond;
  return bandwidth;
}
