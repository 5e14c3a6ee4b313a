import { patternBytes } from '@cos-slice/core/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReadAhead } from './read-ahead.ts';

const MIB = 1024 * 1024;
const SIZE = 21 * MIB + 777;
const BYTES = patternBytes(SIZE);

/** Reads later, in any order, from the pattern. */
const laterReader = (reads: { offset: number; length: number }[]) => async (target: Uint8Array, offset: number) => {
  reads.push({ offset, length: target.length });
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(offset + target.length).toBeLessThanOrEqual(SIZE);
  target.set(BYTES.subarray(offset, offset + target.length));
};
const isRight = (content: Uint8Array, offset: number): boolean =>
  Buffer.compare(content, BYTES.subarray(offset, offset + content.length)) === 0;

test('in order, each byte is read once, a few slices at a time', async () => {
  const reads: { offset: number; length: number }[] = [];
  const ahead = createReadAhead(SIZE, laterReader(reads));
  const buffers = new Set<unknown>();
  for (let offset = 0; offset < SIZE; offset += MIB) {
    const content = await ahead.slice({ offset, length: Math.min(MIB, SIZE - offset) });
    expect(isRight(content, offset)).toBe(true);
    buffers.add(content.buffer);
    ahead.release(content);
  }
  expect(reads.reduce((sum, { length }) => sum + length, 0)).toBe(SIZE);
  expect(reads.length).toBeLessThan(8);
  expect(buffers.size).toBeLessThanOrEqual(3);
});

test('out of order, only what is asked for is read', async () => {
  const reads: { offset: number; length: number }[] = [];
  const ahead = createReadAhead(SIZE, laterReader(reads));
  for (const offset of [18, 3, 11, 7].map((slice) => slice * MIB)) {
    const content = await ahead.slice({ offset, length: MIB });
    expect(isRight(content, offset)).toBe(true);
    ahead.release(content);
  }
  expect(reads.map(({ length }) => length)).toEqual([MIB, MIB, MIB, MIB]);
});

test('what is held stays as it is, whatever else is asked for and given back, and memory is bounded', async () => {
  const slices = Math.ceil(SIZE / MIB);
  const history = fc.array(
    fc.record({ slice: fc.nat({ max: slices - 1 }), inOrder: fc.boolean(), release: fc.nat() }),
    {
      minLength: 10,
      maxLength: 60,
    },
  );
  await fc.assert(
    fc.asyncProperty(history, async (asked) => {
      let allocated = 0;
      const known = new WeakSet<object>();
      const ahead = createReadAhead(SIZE, async (target, offset) => {
        if (!known.has(target.buffer)) allocated += target.buffer.byteLength;
        known.add(target.buffer);
        await laterReader([])(target, offset);
      });
      const held: { content: Uint8Array; offset: number }[] = [];
      let next = 0;
      for (const { slice, inOrder, release } of asked) {
        const offset = (inOrder ? next : slice) * MIB;
        const asking = ahead.slice({ offset, length: Math.min(MIB, SIZE - offset) });
        held.push({ content: await asking, offset });
        next = (offset / MIB + 1) % slices;
        if (held.length < 8) continue;
        const [given] = held.splice(release % held.length, 1);
        if (!given) continue;
        expect(isRight(given.content, given.offset)).toBe(true);
        ahead.release(given.content);
        // Once more says nothing.
        ahead.release(given.content);
      }
      for (const { content, offset } of held) expect(isRight(content, offset)).toBe(true);
      expect(allocated).toBeLessThanOrEqual((8 + 1) * MIB + 32 * MIB);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test('a read that fails fails everyone who waits for it, and the next one starts anew', async () => {
  let broken = true;
  const ahead = createReadAhead(SIZE, async (target, offset) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (broken) throw new Error('broken');
    target.set(BYTES.subarray(offset, offset + target.length));
  });
  const slices = [0, 1, 2].map((slice) => ahead.slice({ offset: slice * MIB, length: MIB }));
  const outcomes = await Promise.allSettled(slices);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  broken = false;
  const content = await ahead.slice({ offset: MIB, length: MIB });
  expect(isRight(content, MIB)).toBe(true);
});
