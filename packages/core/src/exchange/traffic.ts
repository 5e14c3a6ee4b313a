/**
 * The line that several uploads share: how much content is under way on it, and how fast it has proved. Where something on the
 * way takes requests in whole and hands them on slowly (a proxy that buffers, a service worker, a modem), all has left long
 * before it has arrived, and only this tells how long an answer may take.
 */
export interface Traffic {
  /** Content sets out. */
  enter(bytes: number, nowMs: number): Shipment;
  /** How long the line may take for all that is under way. */
  readonly lineMs: () => number;
}

/** Content that is under way. */
export interface Shipment {
  /**
   * How long the slowest of the last fellows took from setting out to their answers, for as much as was under way when this one
   * set out. Infinity while that says nothing: of too few, or where nobody has arrived since this one gave its last sign of
   * life, so that the line stands still for all.
   */
  usualMs(lastSignAtMs: number): number;
  /** Whether it may be broken off and sent anew for no more than standing out. */
  readonly mayRepeat: boolean;
  /** It is broken off for that. */
  repeat(): void;
  /** It is under way no longer. */
  end(how: ShipmentEnd, nowMs: number): void;
}

/** It has arrived, as the answer says; it took longer than the line was thought to; or something else became of it. */
export type ShipmentEnd = 'arrived' | 'late' | 'broken-off';

/** What a line is taken to carry as long as it has not shown more: 0.5 Mbit/s. */
const LEAST_BYTES_PER_MS = 64;
/** The next answer may come that many times as slowly as the last one. */
const CAUTION = 4;
/** Arrivals that a shipment is compared with. */
const FELLOWS = 8;
const LEAST_FELLOWS = 4;
/** Arrivals that pay for a repeat, and how many can be saved up: what is sent in vain stays a small share. */
const PRICE = 10;
const MOST_SAVED = 3 * PRICE;

interface Arrival {
  readonly aheadBytes: number;
  readonly tookMs: number;
}

export function createTraffic(): Traffic {
  let underWayBytes = 0;
  let shipments = 0;
  let bytesPerMs = LEAST_BYTES_PER_MS;
  let arrivedAtMs = Number.NEGATIVE_INFINITY;
  let fellows: readonly Arrival[] = [];
  let saved = PRICE - LEAST_FELLOWS;
  return {
    lineMs: () => underWayBytes / bytesPerMs,
    enter(bytes, startedAtMs) {
      underWayBytes += bytes;
      shipments += 1;
      // Before this one, or together with it.
      const aheadBytes = underWayBytes;
      return {
        usualMs(lastSignAtMs) {
          const standsStill = arrivedAtMs <= lastSignAtMs && shipments > 1;
          if (bytes === 0 || fellows.length < LEAST_FELLOWS || standsStill) return Number.POSITIVE_INFINITY;
          return Math.max(...fellows.map((one) => one.tookMs * Math.max(1, aheadBytes / one.aheadBytes)));
        },
        get mayRepeat() {
          return saved >= PRICE;
        },
        repeat() {
          saved -= PRICE;
        },
        end(how, nowMs) {
          underWayBytes -= bytes;
          shipments -= 1;
          if (how === 'late') bytesPerMs = LEAST_BYTES_PER_MS;
          if (how !== 'arrived' || bytes === 0) return;
          const tookMs = Math.max(1, nowMs - startedAtMs);
          bytesPerMs = Math.max(LEAST_BYTES_PER_MS, aheadBytes / tookMs / CAUTION);
          arrivedAtMs = nowMs;
          fellows = [...fellows.slice(1 - FELLOWS), { aheadBytes, tookMs }];
          saved = Math.min(MOST_SAVED, saved + 1);
        },
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
