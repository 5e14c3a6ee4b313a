/** A set of slice numbers: a bit each. */
export interface SliceSet {
  readonly count: number;
  has(index: number): boolean;
  /** Whether it was new. */
  add(index: number): boolean;
  /** The lowest number that is not in the set. */
  firstMissing(): number;
  /** The set as it is now. */
  copy(): SliceSet;
}

export function createSliceSet(size: number): SliceSet {
  return fromBits(size, new Uint8Array(Math.ceil(size / 8)), 0);
}

function fromBits(size: number, bits: Uint8Array, initialCount: number): SliceSet {
  let count = initialCount;
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
    copy: () => fromBits(size, bits.slice(), count),
  };
}
