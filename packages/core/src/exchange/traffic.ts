/**
 * The line that several uploads share: how much content is under way on it, and how fast it has proved. Where something on the
 * way takes requests in whole and hands them on slowly (a proxy that buffers, a service worker, a modem), all has left long
 * before it has arrived, and only this tells how long an answer may take.
 */
export interface Traffic {
  /** Content sets out. @returns what to call once it is under way no longer */
  enter(bytes: number, nowMs: number): (end: ShipmentEnd, nowMs: number) => void;
  /** How long the line may take for all that is under way. */
  readonly lineMs: () => number;
}

/** It has arrived, as the answer says; it took longer than the line was thought to; or something else became of it. */
export type ShipmentEnd = 'arrived' | 'late' | 'broken-off';

/** What a line is taken to carry as long as it has not shown more: 0.5 Mbit/s. */
const LEAST_BYTES_PER_MS = 64;
/** The next answer may come that many times as slowly as the last one. */
const CAUTION = 4;

export function createTraffic(): Traffic {
  let underWayBytes = 0;
  let bytesPerMs = LEAST_BYTES_PER_MS;
  return {
    lineMs: () => underWayBytes / bytesPerMs,
    enter(bytes, startedAtMs) {
      underWayBytes += bytes;
      // Before this one, or together with it.
      const aheadBytes = underWayBytes;
      return (end, nowMs) => {
        underWayBytes -= bytes;
        if (end === 'late') bytesPerMs = LEAST_BYTES_PER_MS;
        if (end !== 'arrived' || bytes === 0) return;
        const shown = aheadBytes / Math.max(1, nowMs - startedAtMs);
        bytesPerMs = Math.max(LEAST_BYTES_PER_MS, shown / CAUTION);
      };
    },
  };
}

const shared = new WeakMap<object, Traffic>();

/** The traffic of all who share something: a limiter. */
export function trafficOf(sharer: object): Traffic {
  const traffic = shared.get(sharer) ?? createTraffic();
  shared.set(sharer, traffic);
  return traffic;
}
