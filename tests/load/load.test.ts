import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFolder } from '@cos-slice/testkit/files';
import { expect, test } from 'vitest';

const RUN = fileURLToPath(new URL('./run.js', import.meta.url));

test('a crowd of uploads and visitors gets nothing but success, or a 503 that says when to come again', async () => {
  await withFolder(async (folder) => {
    const json = join(folder, 'figures.json');
    const flags = ['--minutes', '0.05', '--uploads', '40', '--connections', '200', '--unbounded', '--json', json];
    const child = spawn(process.execPath, [RUN, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
    let told = '';
    child.stdout.on('data', (chunk) => {
      told += chunk;
    });
    const [exitCode] = await once(child, 'close');
    expect(exitCode, told).toBe(0);
    const { uploads, visits, defects } = JSON.parse(await readFile(json, 'utf8'));
    expect(defects).toEqual([]);
    expect(uploads).toBeGreaterThanOrEqual(40);
    expect(visits).toBeGreaterThan(0);
  });
});
