import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createFingerprint } from './slice-check.ts';

/** In pieces, each while others are under way. */
async function fingerprints(contents: readonly Buffer[]): Promise<string[]> {
  const under = await Promise.all(contents.map(async (content) => ({ content, print: await createFingerprint() })));
  for (let at = 0; at < 90_000; at += 10_000) {
    for (const { content, print } of under) print.update(content.subarray(at, at + 10_000));
  }
  return under.map(({ print }) => print.end());
}

test('fingerprints of slices that come at the same time, and of later ones, are those of their bytes', async () => {
  const contents = Array.from({ length: 100 }, () => randomBytes(90_000));
  const first = await fingerprints(contents);
  expect(new Set(first).size).toBe(contents.length);
  expect(await fingerprints(contents)).toEqual(first);
  expect(await fingerprints(contents.toReversed())).toEqual(first.toReversed());
});

test('a fingerprint that is asked for twice disturbs nobody', async () => {
  const [before, content] = [await createFingerprint(), randomBytes(1000)];
  before.update(content);
  const ended = before.end();
  const after = await createFingerprint();
  after.update(content.subarray(0, 500));
  expect(before.end()).toBe(ended);
  after.update(content.subarray(500));
  expect(after.end()).toBe(ended);
});
