import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const DIST = new URL('../dist/index.js', import.meta.url);
const SCRIPT = `
  import { paceGarbageCollection } from ${JSON.stringify(DIST.href)};
  paceGarbageCollection();
`;

test('V8 knows the setting that paces its collections', async () => {
  // Where it does not, it says so on stderr and goes on.
  const { stderr } = await promisify(execFile)(process.execPath, [
    '--no-warnings',
    '--input-type=module',
    '-e',
    SCRIPT,
  ]);
  expect(stderr).toBe('');
});
