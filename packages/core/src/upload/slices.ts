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
  return { size, count: 0, pages: new Array(Math.ceil(size / PAGE_BITS)).fill(undefined) };
}

export function hasSlice(set: SliceSet, index: number): boolean {
  const page = set.pages[Math.floor(index / PAGE_BITS)];
  const bit = index % PAGE_BITS;
  return page !== undefined && ((page[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

export function addSlice(set: SliceSet, index: number): SliceSet {
  if (index < 0 || index >= set.size || hasSlice(set, index)) return set;
  const pages = set.pages.slice();
  const at = Math.floor(index / PAGE_BITS);
  const page = pages[at]?.slice() ?? new Uint8Array(PAGE_BYTES);
  setBit(page, index % PAGE_BITS);
  pages[at] = page;
  return { size: set.size, count: set.count + 1, pages };
}

/** The first index at or after `from` that is not in the set; `set.size` when there is none. */
export function nextMissing(set: SliceSet, from: number): number {
  let index = from;
  while (index < set.size) {
    const page = set.pages[Math.floor(index / PAGE_BITS)];
    if (page === undefined) return index;
    const end = Math.min(set.size, (Math.floor(index / PAGE_BITS) + 1) * PAGE_BITS);
    while (index < end) {
      const bit = index % PAGE_BITS;
      const byte = page[bit >> 3] ?? 0;
      if ((bit & 7) === 0 && byte === 0xff) index += 8;
      else if ((byte & (1 << (bit & 7))) !== 0) index += 1;
      else return index;
    }
    index = Math.min(index, end);
  }
  return set.size;
}

/** Slices that lie wholly within the ranges a server has listed; ranges may touch, overlap and come in any order. */
export function slicesWithin(layout: Layout, ranges: readonly ByteRange[]): SliceSet {
  const size = sliceCount(layout);
  const pages: (Uint8Array | undefined)[] = new Array(Math.ceil(size / PAGE_BITS)).fill(undefined);
  let count = 0;
  let coveredTo = 0;
  const mark = (start: number, end: number): void => {
    const first = Math.ceil(start / layout.sliceSizeBytes);
    const beyond = end >= layout.sizeBytes ? size : Math.floor(end / layout.sliceSizeBytes);
    for (let index = first; index < beyond; index += 1) {
      const at = Math.floor(index / PAGE_BITS);
      let page = pages[at];
      if (page === undefined) {
        page = new Uint8Array(PAGE_BYTES);
        pages[at] = page;
      }
      setBit(page, index % PAGE_BITS);
      count += 1;
    }
  };
  let start = 0;
  for (const range of inOrder(ranges)) {
    const end = range.offset + range.length;
    if (range.offset > coveredTo) {
      mark(start, coveredTo);
      start = range.offset;
    }
    coveredTo = Math.max(coveredTo, end);
  }
  if (coveredTo > start) mark(start, Math.min(coveredTo, layout.sizeBytes));
  return { size, count, pages };
}

/** Bytes of the slices in the set. */
export function bytesIn(layout: Layout, set: SliceSet): number {
  const last = set.size - 1;
  const short = hasSlice(set, last) ? layout.sliceSizeBytes - sliceRange(layout, last).length : 0;
  return set.count * layout.sliceSizeBytes - short;
}

function inOrder(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const sorted = ranges.every((range, index) => index === 0 || (ranges[index - 1]?.offset ?? 0) <= range.offset);
  return sorted ? ranges : [...ranges].sort((a, b) => a.offset - b.offset);
}

function setBit(page: Uint8Array, bit: number): void {
  page[bit >> 3] = (page[bit >> 3] ?? 0) | (1 << (bit & 7));
}
