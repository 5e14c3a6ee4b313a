import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFolder } from '@cos-slice/testkit/files';
import { expect, test } from 'vitest';

const RUN = fileURLToPath(new URL('./run.js', import.meta.url));

test('uploads from Node.js and Chromium through a line that does everything wrong are stored, and nothing is left', async () => {
  await withFolder(async (folder) => {
    const json = join(folder, 'figures.json');
    const child = spawn(
      process.execPath,
      [RUN, '--uploads', '40', '--pages', '5', '--seed', '1', '--mild', '--json', json],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let told = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        told += chunk;
      });
    }
    const [exitCode] = await once(child, 'close');
    expect(exitCode, told).toBe(0);
    const { uploads, faults, restarts, defects } = JSON.parse(await readFile(json, 'utf8'));
    expect({ uploads, defects }).toEqual({ uploads: { node: 40, chromium: 5 }, defects: [] });
    // Otherwise nothing much has gone wrong on the way.
    expect(Object.keys(faults).length).toBeGreaterThan(6);
    expect(restarts).toBeGreaterThan(1);
  });
});
