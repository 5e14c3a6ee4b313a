import type { ByteRange } from '../ports.ts';
import type { StoredRange } from '../protocol/operations.ts';
import { isSlice, type Layout, mark, type SliceSet, sliceCount } from './slices.ts';
import { addTag, type Tags } from './tags.ts';

/** What a list says of an upload's slices. Apart from them: an upload that goes straight on needs no list. */
export interface Found {
  readonly stored: SliceSet;
  readonly tags?: Tags | undefined;
}

/**
 * @param listed with tags: parts, of which only those count that are slices. Where they begin is reckoned from their numbers, and
 *   one of another size, from whoever it is, says nothing of the bytes beside it.
 */
export function readListed(layout: Layout, listed: readonly StoredRange[]): Found {
  const ranges = listed.filter((range) => counts(layout, range));
  const tags = ranges.reduce<Tags | undefined>(
    (all, { offset, tag }) => (tag === undefined ? all : addTag(all ?? [], offset / layout.sliceSizeBytes, tag)),
    undefined,
  );
  return { stored: slicesWithin(layout, ranges), tags };
}

/** Whether what a server has listed is content of this upload, in its place. */
export function counts(layout: Layout, range: StoredRange): boolean {
  return range.tag === undefined || isSlice(layout, range);
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
