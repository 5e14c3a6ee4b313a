import { CosSliceError } from '../errors.ts';
import type { Clock } from '../ports.ts';

/** The time that signatures go by: ours, corrected by what the server says of its own. */
export interface ServerTime {
  nowSec(): number;
  /**
   * Learns from a refusal that may be about time.
   *
   * @returns the error to go on with: where the clocks are days apart, it is that which has to be mended
   */
  learn(error: CosSliceError): CosSliceError;
}

/** A clock that is wrong by more is told, not corrected: a wrong `Date` must not make us sign for another day. */
const MAX_SKEW_MS = 24 * 3600 * 1000;

export function createServerTime(clock: Clock): ServerTime {
  let skewMs = 0;
  return {
    nowSec: () => Math.floor((clock.nowMs() + skewMs) / 1000),
    learn(error) {
      const { code, remedy, serverDateMs } = error;
      if (serverDateMs === undefined || (remedy !== 'resign' && code !== 'unauthorized')) return error;
      const seenMs = serverDateMs - clock.nowMs();
      if (Math.abs(seenMs) > MAX_SKEW_MS) return wrongClock(error, seenMs);
      if (remedy === 'resign') skewMs = seenMs;
      return error;
    },
  };
}

function wrongClock(cause: CosSliceError, skewMs: number): CosSliceError {
  const days = Math.round(Math.abs(skewMs) / MAX_SKEW_MS);
  const what = `the clock of this machine is ${days} ${days === 1 ? 'day' : 'days'} ${skewMs < 0 ? 'ahead of' : 'behind'} the server's: set it right`;
  // A signer with a clock of its own may yet do better: what is tried again stays so.
  const { code, wireCode } = cause;
  const said = wireCode === undefined ? '' : ` (server: ${wireCode})`;
  return new CosSliceError(code, what + said, { ...cause, cause });
}
