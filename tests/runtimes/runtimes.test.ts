import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

// Other runtimes are tried by `npm run runtimes`; this keeps what they are tried with working.
test('what other runtimes are tried with succeeds in this one', { timeout: 300_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['tests/runtimes/run.js', 'node'], {
    cwd: new URL('../..', import.meta.url),
  });
  expect(stdout.match(/^ok .+$/gm)).toHaveLength(9);
});
