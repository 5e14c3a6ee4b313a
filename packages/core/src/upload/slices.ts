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

/** Whether a range is a slice, neither more nor less. */
export function isSlice(layout: Layout, { offset, length }: ByteRange): boolean {
  const index = offset / layout.sliceSizeBytes;
  return Number.isInteger(index) && index < sliceCount(layout) && length === sliceRange(layout, index).length;
}

/** Numbers of 32 bits each. Plain arrays: small ones are copied in a fraction of the time that typed arrays take. */
type Page = number[];

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
export const PAGE_BITS: number = PAGE_NUMBERS * 32;

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
  const at = Math.floor(index / PAGE_BITS);
  const pages: (number[] | undefined)[] = [...set.pages];
  pages[at] = pages[at]?.slice();
  mark(pages, index);
  return { size, count: count + 1, pages };
}

/** The first index at or after `from` that is not in the set; `set.size` when there is none. */
export function nextMissing(set: SliceSet, from: number): number {
  let index = Math.min(from, set.size);
  while (hasSlice(set, index)) index += 1;
  return index;
}

/** Bytes of the slices in the set. */
export function bytesIn(layout: Layout, set: SliceSet): number {
  const last = set.size - 1;
  const short = hasSlice(set, last) ? layout.sliceSizeBytes - sliceRange(layout, last).length : 0;
  return set.count * layout.sliceSizeBytes - short;
}

/** Puts a slice into its page, which nobody else has. */
export function mark(pages: (number[] | undefined)[], index: number): void {
  const at = Math.floor(index / PAGE_BITS);
  const page = pages[at] ?? new Array<number>(PAGE_NUMBERS).fill(0);
  const number = (index % PAGE_BITS) >> 5;
  page[number] = (page[number] ?? 0) | (1 << (index & 31));
  pages[at] = page;
}
