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

/**
 * A set of slice indices that is cheap to keep and cheap to change without touching the old one: bits in pages, and only the
 * page of the changed bit is copied. A million slices take 128 KiB.
 */
export interface SliceSet {
  readonly size: number;
  readonly count: number;
  readonly pages: readonly (Uint8Array | undefined)[];
}

const PAGE_BYTES = 1024;
const PAGE_BITS = PAGE_BYTES * 8;

export function createSliceSet(size: number): SliceSet {
  return { size, count: 0, pages: [] };
}

export function hasSlice({ pages }: SliceSet, index: number): boolean {
  const bit = index % PAGE_BITS;
  return (((pages[Math.floor(index / PAGE_BITS)]?.[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
}

export function addSlice(set: SliceSet, index: number): SliceSet {
  const { size, count } = set;
  if (index < 0 || index >= size || hasSlice(set, index)) return set;
  const pages = [...set.pages];
  const at = Math.floor(index / PAGE_BITS);
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

/** Slices that lie wholly within the ranges a server has listed; ranges may touch, overlap and come in any order. */
export function slicesWithin(layout: Layout, ranges: readonly ByteRange[]): SliceSet {
  const { sizeBytes, sliceSizeBytes } = layout;
  const size = sliceCount(layout);
  const pages: Uint8Array[] = [];
  let count = 0;
  let start = 0;
  let end = 0;
  const addRun = (): void => {
    const beyond = end > 0 && end >= sizeBytes ? size : Math.floor(end / sliceSizeBytes);
    for (let index = Math.ceil(start / sliceSizeBytes); index < beyond; index += 1) {
      mark(pages, index);
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

/** Puts a slice into pages that nobody else has. */
function mark(pages: (Uint8Array | undefined)[], index: number): void {
  const at = Math.floor(index / PAGE_BITS);
  const bit = index % PAGE_BITS;
  const page = pages[at] ?? new Uint8Array(PAGE_BYTES);
  page[bit >> 3] = (page[bit >> 3] ?? 0) | (1 << (bit & 7));
  pages[at] = page;
}
