import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { provenIn, readListed, removeSlice } from './listed.ts';
import { hasSlice, type Layout, sliceCount, sliceRange } from './slices.ts';
import { listTags } from './tags.ts';

const LAYOUT: Layout = { sizeBytes: 35, sliceSizeBytes: 10 };
/** A part as a wire tells of it that numbers its parts. */
const part = (number: number, length: number, tag = `t${number}`) => ({ offset: (number - 1) * 10, length, tag });

const storedOf = (layout: Layout, parts: readonly ReturnType<typeof part>[]): number[] => {
  const { stored } = readListed({ ...layout, integrity: 'none' }, parts);
  return Array.from({ length: sliceCount(layout) }, (_, index) => index).filter((index) => hasSlice(stored, index));
};

describe('parts with tags', () => {
  test.each([
    ['as they were planned', [part(1, 10), part(2, 10), part(3, 10), part(4, 5)], [0, 1, 2, 3]],
    ['larger than a slice', [part(1, 20)], []],
    ['larger than a slice, next to one that is right', [part(1, 20), part(2, 10)], [1]],
    ['of the size of the whole', [part(1, 35)], []],
    ['smaller than a slice', [part(1, 10), part(2, 9), part(3, 10)], [0, 2]],
    ['two that would make one slice between them', [part(1, 15), part(2, 5)], []],
    ['the last of the size of others', [part(4, 10)], []],
    ['the last too short', [part(3, 10), part(4, 4)], [2]],
    ['behind the end', [part(4, 5), part(5, 10), part(90, 10)], [3]],
    ['between two slices', [{ offset: 5, length: 10, tag: 't' }], []],
    ['empty', [part(1, 0), part(2, 10)], [1]],
    ['that reach beyond the end', [part(3, 1000)], []],
  ])('%s', (_name, parts, stored) => {
    expect(storedOf(LAYOUT, parts)).toEqual(stored);
  });

  test('are to be compared with MD5s, unless they are known by the same tag', () => {
    const md5 = 'm';
    const parts = [part(1, 10), part(2, 10), part(3, 9), part(4, 5)].map((one) => ({ ...one, md5 }));
    const unproven = (integrity: 'md5' | 'none' | 'crc64', proven?: string[]) =>
      readListed({ ...LAYOUT, integrity, proven }, parts).unproven?.map(({ index }) => index);
    expect(unproven('none')).toBeUndefined();
    expect(unproven('md5')).toEqual([0, 1, 3]);
    // The CRC-64 of the whole needs that of each slice.
    expect(unproven('crc64', ['t1', 't2', '', 't4'])).toEqual([0, 1, 3]);
    expect(unproven('md5', ['t1', 'another', 't3'])).toEqual([1, 3]);
    expect(unproven('md5', ['t1', 't2', '', 't4'])).toBeUndefined();
    // What the source may give up is what is proven.
    const told = provenIn({ ...LAYOUT, integrity: 'md5', proven: ['t1'] }, parts);
    expect(told.map(({ offset }) => offset)).toEqual([0]);
    // Nobody tells what is in it.
    expect(readListed({ ...LAYOUT, integrity: 'md5' }, [part(1, 10)]).unproven).toBeUndefined();
  });

  test('that are empty, where the content ends, are no parts of it', () => {
    const { stored, tags } = readListed({ sizeBytes: 20, sliceSizeBytes: 10, integrity: 'none' }, [
      part(1, 10),
      part(2, 10),
      part(3, 0),
    ]);
    expect([stored.count, listTags(tags ?? [])]).toEqual([2, ['t1', 't2']]);
  });

  test('are the only ones to have some', () => {
    expect(readListed({ ...LAYOUT, integrity: 'md5' }, [{ offset: 0, length: 10 }])).toMatchObject({
      stored: { count: 1 },
      tags: undefined,
    });
  });

  test('a slice that is taken out of a set is missing, and no other one is', () => {
    const { stored } = readListed({ sizeBytes: 40_000, sliceSizeBytes: 10, integrity: 'none' }, [
      { offset: 0, length: 40_000 },
    ]);
    const rest = removeSlice(stored, 2049);
    expect([rest.count, hasSlice(rest, 2049), hasSlice(stored, 2049)]).toEqual([3999, false, true]);
    expect([2048, 2050, 1].every((index) => hasSlice(rest, index))).toBe(true);
    expect(removeSlice(rest, 2049).count).toBe(3999);
  });

  test('numbers that come twice: the last one counts', () => {
    const parts = [part(1, 10, 'old'), part(2, 10), part(3, 10), part(4, 5), part(1, 10, 'new')];
    const { stored, tags } = readListed({ ...LAYOUT, integrity: 'none' }, parts);
    expect(stored.count).toBe(4);
    expect(listTags(tags ?? [])).toEqual(['new', 't2', 't3', 't4']);
  });

  test('every slice that counts has the tag of its own part, and no other slice has one', () => {
    const parts = fc.array(fc.record({ number: fc.integer({ min: 1, max: 12 }), length: fc.nat(25) }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), parts, (sizeBytes, given) => {
        const layout = { sizeBytes, sliceSizeBytes: 10 };
        const { stored, tags = [] } = readListed(
          { ...layout, integrity: 'none' },
          given.map(({ number, length }) => part(number, length, `${number}:${length}`)),
        );
        const isRight = Array.from({ length: sliceCount(layout) }, (_, index) => {
          const { length } = sliceRange(layout, index);
          const is = given.some((one) => one.number === index + 1 && one.length === length);
          return hasSlice(stored, index) === is && (tags[0]?.[index] === `${index + 1}:${length}`) === is;
        });
        expect(isRight.every(Boolean)).toBe(true);
        expect(listTags(tags).length).toBeLessThanOrEqual(sliceCount(layout));
      }),
    );
  });
});
