/** A set of slice numbers: a bit each. */
export interface SliceSet {
  readonly count: number;
  has(index: number): boolean;
  /** Whether it was new. */
  add(index: number): boolean;
  /** The lowest number that is not in the set. */
  firstMissing(): number;
}

export function createSliceSet(size: number): SliceSet {
  const bits = new Uint8Array(Math.ceil(size / 8));
  let count = 0;
  let low = 0;
  const has = (index: number) => ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  return {
    get count() {
      return count;
    },
    has,
    add(index) {
      if (has(index)) return false;
      bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
      count++;
      return true;
    },
    firstMissing() {
      while (low < size && has(low)) low++;
      return low;
    },
  };
}
