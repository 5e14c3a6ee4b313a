/** Something that runs when it has a place: a file's upload. */
export interface Queued {
  /** A place has become free. */
  enter(): void;
}

/**
 * Places for files. Requests have a limiter of their own; this bounds how many files are open at once, so that a thousand
 * small ones cost no more than a few.
 */
export interface FileQueue {
  resize(places: number): void;
  /** Waits for a place; `enter` is called when there is one, at once or later. */
  join(one: Queued): void;
  /** Gives the place back, or stops waiting for one. */
  leave(one: Queued): void;
  /** While `act` runs nobody enters: a place that becomes free must not go to one that is about to leave as well. */
  together(act: () => void): void;
}

export function createFileQueue(places: number): FileQueue {
  let free = places;
  let total = places;
  const inside = new Set<Queued>();
  const waiting = new Set<Queued>();
  let closed = false;
  const admit = (): void => {
    if (closed) return;
    for (const one of waiting) {
      if (free <= 0) return;
      waiting.delete(one);
      inside.add(one);
      free -= 1;
      one.enter();
    }
  };
  return {
    resize(next) {
      free += next - total;
      total = next;
      admit();
    },
    join(one) {
      if (inside.has(one)) return;
      waiting.add(one);
      admit();
    },
    leave(one) {
      waiting.delete(one);
      if (!inside.delete(one)) return;
      free += 1;
      admit();
    },
    together(act) {
      closed = true;
      act();
      closed = false;
      admit();
    },
  };
}
