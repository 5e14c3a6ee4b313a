import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { slicesWithin } from './listed.ts';
import { addSlice, bytesIn, createSliceSet, hasSlice, nextMissing, sliceCount, sliceRange } from './slices.ts';

describe('slices', () => {
  test('tile a file exactly', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 5000 }), (sizeBytes, sliceSizeBytes) => {
        const layout = { sizeBytes, sliceSizeBytes };
        let reached = 0;
        // One question for all slices: an assertion costs many times what it looks at.
        let isTiled = true;
        for (let index = 0; index < sliceCount(layout); index += 1) {
          const range = sliceRange(layout, index);
          isTiled &&= range.offset === reached && range.length <= sliceSizeBytes;
          reached += range.length;
        }
        expect([isTiled, reached]).toEqual([true, sizeBytes]);
      }),
    );
  });

  test('a set behaves like a set', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40_000 }), fc.array(fc.nat(45_000), { maxLength: 60 }), (size, adds) => {
        let set = createSliceSet(size);
        const model = new Set<number>();
        for (const index of adds) {
          const before = set;
          const had = hasSlice(before, index);
          set = addSlice(set, index);
          if (index < size) model.add(index);
          expect(hasSlice(before, index)).toBe(had);
        }
        expect(set.count).toBe(model.size);
        for (const index of adds) expect(hasSlice(set, index)).toBe(model.has(index));
        const from = adds[0] ?? 0;
        let expected = Math.min(from, size);
        while (expected < size && model.has(expected)) expected += 1;
        expect(nextMissing(set, from)).toBe(from >= size ? size : expected);
      }),
    );
  });

  test('an index that is no slice changes no set', () => {
    const set = addSlice(createSliceSet(3), 1);
    for (const index of [-1, 1, 3]) expect(addSlice(set, index)).toBe(set);
  });

  test('of an empty file nothing is stored where nothing is listed', () => {
    expect(slicesWithin({ sizeBytes: 0, sliceSizeBytes: 10 }, [])).toMatchObject({ size: 1, count: 0 });
  });

  test('finds the gap behind a million stored slices', () => {
    const layout = { sizeBytes: 1_000_000 * 1024, sliceSizeBytes: 1024 };
    const set = slicesWithin(layout, [
      { offset: 0, length: 999_998 * 1024 },
      { offset: 999_999 * 1024, length: 1024 },
    ]);
    expect(set.count).toBe(999_999);
    expect(nextMissing(set, 0)).toBe(999_998);
  });

  test('only slices that are listed whole count, in whatever order and form they are listed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.record({ offset: fc.nat(3100), length: fc.nat(700) }), { maxLength: 12 }),
        (sizeBytes, sliceSizeBytes, ranges) => {
          const layout = { sizeBytes, sliceSizeBytes };
          const covered = new Uint8Array(sizeBytes);
          for (const { offset, length } of ranges) covered.fill(1, offset, offset + length);
          const set = slicesWithin(layout, ranges);
          let bytes = 0;
          let isRight = true;
          for (let index = 0; index < sliceCount(layout); index += 1) {
            const range = sliceRange(layout, index);
            const whole = covered.subarray(range.offset, range.offset + range.length).every((one) => one === 1);
            isRight &&= hasSlice(set, index) === whole;
            if (whole) bytes += range.length;
          }
          expect(isRight).toBe(true);
          expect(bytesIn(layout, set)).toBe(bytes);
        },
      ),
    );
  });
});
