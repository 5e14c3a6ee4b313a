import type { ByteRange } from '../ports.ts';
import type { StoredRange } from '../protocol/operations.ts';
import type { Integrity } from '../protocol/wire.ts';
import { isSlice, type Layout, mark, PAGE_BITS, type SliceSet, sliceCount } from './slices.ts';
import type { Unproven } from './state.ts';
import { addTag, type Tags } from './tags.ts';

/** What a list says of an upload's slices. Apart from them: an upload that goes straight on needs no list. */
export interface Found {
  readonly stored: SliceSet;
  readonly tags?: Tags | undefined;
  /** Those that are to be compared with the source. */
  readonly unproven?: readonly Unproven[] | undefined;
}

/** What is known of the content that a list is read for. */
export interface Known extends Layout {
  readonly integrity: Integrity;
  /** Of slices that were found to be what the source still has: those that are listed with the same tag are so yet. */
  readonly proven?: readonly string[] | undefined;
}

/**
 * @param listed with tags: parts, of which only those count that are slices. Where they begin is reckoned from their numbers, and
 *   one of another size, from whoever it is, says nothing of the bytes beside it.
 */
export function readListed(known: Known, listed: readonly StoredRange[]): Found {
  const ranges = listed.filter((range) => counts(known, range));
  const unproven = new Map<number, Unproven>();
  let tags: Tags | undefined;
  for (const range of ranges) {
    const { tag, md5 } = range;
    if (tag === undefined) continue;
    const index = range.offset / known.sliceSizeBytes;
    tags = addTag(tags ?? [], index, tag);
    unproven.delete(index);
    if (!isProven(known, range)) unproven.set(index, { index, md5 });
  }
  const stored = slicesWithin(known, ranges);
  return unproven.size > 0 ? { stored, tags, unproven: [...unproven.values()] } : { stored, tags };
}

/** What a source may take for stored by a list. */
export function provenIn(known: Known, listed: readonly StoredRange[]): StoredRange[] {
  return listed.filter((range) => counts(known, range) && isProven(known, range));
}

/** Whether what a server has listed is content of this upload, in its place. */
function counts(layout: Layout, range: StoredRange): boolean {
  return range.tag === undefined || isSlice(layout, range);
}

function isProven({ integrity, proven, sliceSizeBytes }: Known, { offset, md5, tag }: StoredRange): boolean {
  if (integrity === 'none') return true;
  // The CRC-64 of the whole takes that of every slice, which an earlier run's record has not.
  if (integrity === 'crc64') return false;
  if (md5 === undefined) return true;
  return tag !== '' && proven?.[offset / sliceSizeBytes] === tag;
}

export function removeSlice({ size, count, pages }: SliceSet, index: number): SliceSet {
  const at = Math.floor(index / PAGE_BITS);
  const page = pages[at]?.slice();
  const bit = 1 << (index & 31);
  const number = (index % PAGE_BITS) >> 5;
  const before = page?.[number] ?? 0;
  if (!page || (before & bit) === 0) return { size, count, pages };
  page[number] = before & ~bit;
  return { size, count: count - 1, pages: Object.assign([...pages], { [at]: page }) };
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
