import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { figuresOf } from '../support/figures.ts';

const RUN = fileURLToPath(new URL('./run.js', import.meta.url));

test('a crowd of uploads and visitors gets nothing but success, or a 503 that says when to come again', async () => {
  const flags = ['--minutes', '0.05', '--uploads', '40', '--connections', '200', '--unbounded'];
  const { figures } = await figuresOf<{ uploads: number; visits: number; defects: string[] }>(RUN, flags);
  expect(figures.defects).toEqual([]);
  expect(figures.uploads).toBeGreaterThanOrEqual(40);
  expect(figures.visits).toBeGreaterThan(0);
});
