import type { ByteRange } from '../ports.ts';

/** How a file is cut: every slice has `sliceSizeBytes`, the last one the rest. An empty file is one empty slice. */
export interface Layout {
  readonly sizeBytes: number;
  readonly sliceSizeBytes: number;
}

export function sliceCount(layout: Layout): number {
  return Math.max(1, Math.ceil(layout.sizeBytes / layout.sliceSizeBytes));
}

export function sliceRange(layout: Layout, index: number): ByteRange {
  const offset = index * layout.sliceSizeBytes;
  return { offset, length: Math.min(layout.sliceSizeBytes, layout.sizeBytes - offset) };
}

/** Numbers of 32 bits each. Plain arrays: small ones are copied in a fraction of the time that typed arrays take. */
type Page = readonly number[];

/**
 * A set of slice indices that is cheap to keep and cheap to change without touching the old one: bits in pages, and only the
 * page of the changed bit is copied. A million slices take 256 KiB.
 */
export interface SliceSet {
  readonly size: number;
  readonly count: number;
  readonly pages: readonly (Page | undefined)[];
}

const PAGE_NUMBERS = 64;
const PAGE_BITS = PAGE_NUMBERS * 32;

export function createSliceSet(size: number): SliceSet {
  return { size, count: 0, pages: [] };
}

export function hasSlice({ pages }: SliceSet, index: number): boolean {
  const number = pages[Math.floor(index / PAGE_BITS)]?.[(index % PAGE_BITS) >> 5] ?? 0;
  return ((number >> (index & 31)) & 1) === 1;
}

export function addSlice(set: SliceSet, index: number): SliceSet {
  const { size, count } = set;
  if (index < 0 || index >= size || hasSlice(set, index)) return set;
  const pages = [...set.pages];
  const at = Math.floor(index / PAGE_BITS);
  mark(pages, index, pages[at]?.slice());
  return { size, count: count + 1, pages };
}

/** The first index at or after `from` that is not in the set; `set.size` when there is none. */
export function nextMissing(set: SliceSet, from: number): number {
  let index = Math.min(from, set.size);
  while (hasSlice(set, index)) index += 1;
  return index;
}

/** Slices that lie wholly within the ranges a server has listed; ranges may touch, overlap and come in any order. */
export function slicesWithin(layout: Layout, ranges: readonly ByteRange[]): SliceSet {
  const { sizeBytes, sliceSizeBytes } = layout;
  const size = sliceCount(layout);
  const pages: number[][] = [];
  let count = 0;
  let start = 0;
  let end = 0;
  const addRun = (): void => {
    const beyond = end > 0 && end >= sizeBytes ? size : Math.floor(end / sliceSizeBytes);
    for (let index = Math.ceil(start / sliceSizeBytes); index < beyond; index += 1) {
      mark(pages, index, pages[Math.floor(index / PAGE_BITS)]);
      count += 1;
    }
  };
  for (const { offset, length } of [...ranges].sort((a, b) => a.offset - b.offset)) {
    if (offset > end) {
      addRun();
      start = offset;
    }
    end = Math.max(end, offset + length);
  }
  addRun();
  return { size, count, pages };
}

/** Bytes of the slices in the set. */
export function bytesIn(layout: Layout, set: SliceSet): number {
  const last = set.size - 1;
  const short = hasSlice(set, last) ? layout.sliceSizeBytes - sliceRange(layout, last).length : 0;
  return set.count * layout.sliceSizeBytes - short;
}

/** Puts a slice into its page, which nobody else has. */
function mark(pages: (Page | undefined)[], index: number, page = new Array<number>(PAGE_NUMBERS).fill(0)): void {
  const at = (index % PAGE_BITS) >> 5;
  page[at] = (page[at] ?? 0) | (1 << (index & 31));
  pages[Math.floor(index / PAGE_BITS)] = page;
}
