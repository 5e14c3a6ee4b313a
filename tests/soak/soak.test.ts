import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { figuresOf } from '../support/figures.ts';

const RUN = fileURLToPath(new URL('./run.js', import.meta.url));

test('uploads from Node.js and Chromium through a line that does everything wrong are stored, and nothing is left', async () => {
  const { figures } = await figuresOf<{
    uploads: Record<string, number>;
    faults: Record<string, number>;
    restarts: number;
    defects: string[];
  }>(RUN, ['--uploads', '40', '--pages', '5', '--seed', '1', '--mild']);
  const { uploads, faults, restarts, defects } = figures;
  expect({ uploads, defects }).toEqual({ uploads: { node: 40, chromium: 5 }, defects: [] });
  // Otherwise nothing much has gone wrong on the way.
  expect(Object.keys(faults).length).toBeGreaterThan(6);
  expect(restarts).toBeGreaterThan(1);
});
