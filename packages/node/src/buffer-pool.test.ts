import { afterEach, expect, test } from 'vitest';
import { type BufferPool, createBufferPool } from './buffer-pool.ts';

const MIB = 1024 * 1024;
const open: BufferPool[] = [];
const pool = (): BufferPool => {
  const made = createBufferPool();
  open.push(made);
  return made;
};
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

test('what one file has given back another one takes', () => {
  const [one, other] = [pool(), pool()];
  const first = one.take(8 * MIB);
  expect(first.length).toBe(8 * MIB);
  one.give(first.subarray(5, 10));
  expect(other.take(8 * MIB - 7).buffer).toBe(first.buffer);
});

test('what is in use is nobody else’s', () => {
  const { take } = pool();
  expect(take(MIB).buffer).not.toBe(take(MIB).buffer);
});

test('what is kept does not exceed what was once in use', () => {
  const { take, give } = pool();
  const small = Array.from({ length: 8 }, () => take(MIB));
  for (const each of small) give(each);
  const large = take(8 * MIB);
  give(large);
  // There was no room for the small ones beside it.
  expect(small.map(({ buffer }) => buffer)).not.toContain(take(MIB).buffer);
});

test('what comes back after the end, perhaps while it is still being filled, is not used again', () => {
  const [gone, other] = [pool(), pool()];
  const late = gone.take(3 * MIB);
  gone.close();
  gone.give(late);
  expect(other.take(3 * MIB).buffer).not.toBe(late.buffer);
});

test('an empty file has a buffer, too', () => {
  expect(pool().take(0).length).toBe(0);
});
