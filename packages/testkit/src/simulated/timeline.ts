/** Something that happens at a time to come. */
export interface Happening<Owner> {
  readonly atMs: number;
  readonly owner: Owner;
  readonly act: () => void;
  readonly isCancelled: boolean;
  cancel(): void;
}

/** Simulated time: it stands still while something happens, and jumps from one happening to the next. */
export interface Timeline<Owner> {
  readonly nowMs: number;
  /** What is to happen, cancelled or not. */
  readonly size: number;
  after(delayMs: number, owner: Owner, act: () => void): Happening<Owner>;
  /** The next one, whose time is now; undefined when nothing will ever happen, or nothing until then. */
  next(untilMs: number): Happening<Owner> | undefined;
}

class Entry<Owner> implements Happening<Owner> {
  isCancelled = false;
  readonly atMs: number;
  readonly number: number;
  readonly owner: Owner;
  readonly act: () => void;
  constructor(atMs: number, number: number, owner: Owner, act: () => void) {
    this.atMs = atMs;
    this.number = number;
    this.owner = owner;
    this.act = act;
  }
  cancel(): void {
    this.isCancelled = true;
  }
  isBefore(other: Entry<Owner>): boolean {
    return this.atMs < other.atMs || (this.atMs === other.atMs && this.number < other.number);
  }
}

export function createTimeline<Owner>(): Timeline<Owner> {
  /** A binary heap: the first one is the next. */
  const heap: Entry<Owner>[] = [];
  let nowMs = 0;
  let count = 0;

  function add(entry: Entry<Owner>): void {
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Entry<Owner>;
      if (!entry.isBefore(parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  function removeFirst(): void {
    const last = heap.pop() as Entry<Owner>;
    if (heap.length === 0) return;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      let child = heap[below] as Entry<Owner>;
      const other = heap[below + 1];
      if (other?.isBefore(child)) {
        child = other;
        below += 1;
      }
      if (!child.isBefore(last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }

  return {
    get nowMs() {
      return nowMs;
    },
    get size() {
      return heap.length;
    },
    after(delayMs, owner, act) {
      const entry = new Entry(nowMs + Math.max(0, delayMs), ++count, owner, act);
      add(entry);
      return entry;
    },
    next(untilMs) {
      for (let first = heap[0]; first; first = heap[0]) {
        if (first.atMs > untilMs && !first.isCancelled) break;
        removeFirst();
        if (first.isCancelled) continue;
        nowMs = first.atMs;
        return first;
      }
      nowMs = Math.max(nowMs, Number.isFinite(untilMs) ? untilMs : nowMs);
      return undefined;
    },
  };
}
