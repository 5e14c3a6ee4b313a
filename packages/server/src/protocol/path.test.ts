import { expect, test } from 'vitest';
import { onePathEnd } from './path.ts';

test('slashes at the end of a path are as good as one', () => {
  for (const [path, expected] of [
    ['', ''],
    ['a', 'a'],
    ['/', '/'],
    ['//', '/'],
    ['a//b', 'a//b'],
    ['a///', 'a/'],
  ] as const) {
    expect(onePathEnd(path), path).toBe(expected);
  }
});

test('slashes before the end are passed over at once, however many there are', () => {
  // Half a minute, where each is looked at for each before it.
  const path = `${'/'.repeat(128 * 1024)}x`;
  expect(onePathEnd(path)).toBe(path);
});
