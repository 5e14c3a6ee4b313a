import type { Seated, Seats } from '../ports.ts';

/** Who sits and who waits, each in the order of their coming. */
export interface Seating<T> {
  readonly seats: number;
  readonly inside: ReadonlySet<T>;
  /** Had a seat before: what they have begun is still open. */
  readonly returning: ReadonlySet<T>;
  readonly fresh: ReadonlySet<T>;
}

/** Who enters next, if there is a seat: whoever comes back, then whoever came first. */
export function nextToEnter<T>({ seats, inside, returning, fresh }: Seating<T>): T | undefined {
  if (inside.size >= seats) return undefined;
  const [back] = returning;
  const [first] = fresh;
  return back ?? first;
}

/** Seats whose number can be changed. */
export interface AdjustableSeats extends Seats {
  resize(seats: number): void;
  /** While `act` runs nobody enters: a seat that becomes free must not go to one that is about to leave as well. */
  together(act: () => void): void;
}

export function createSeats(seats: number): AdjustableSeats {
  let total = seats;
  let closed = 0;
  const inside = new Set<Seated>();
  const returning = new Set<Seated>();
  const fresh = new Set<Seated>();
  const known = new WeakSet<Seated>();
  const admit = (): void => {
    while (closed === 0) {
      const one = nextToEnter({ seats: total, inside, returning, fresh });
      if (!one) return;
      returning.delete(one);
      fresh.delete(one);
      inside.add(one);
      known.add(one);
      one.enter();
    }
  };
  return {
    resize(next) {
      total = next;
      admit();
    },
    join(one) {
      if (inside.has(one)) return;
      (known.has(one) ? returning : fresh).add(one);
      admit();
    },
    leave(one) {
      returning.delete(one);
      fresh.delete(one);
      if (inside.delete(one)) admit();
    },
    together(act) {
      closed += 1;
      try {
        act();
      } finally {
        closed -= 1;
        admit();
      }
    },
  };
}
