import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Projects do not inherit these. The times are for machines that have much else to do.
const patience = { testTimeout: 600_000, hookTimeout: 600_000, expect: { poll: { timeout: 180_000 } } };

// Unit tests run against the sources; what has to be a file of its own (worker threads, the command line) is
// built before, by `npm test`.
const node = (
  name: string,
  root: string,
  { exclude = [], ...more }: { exclude?: string[]; globalSetup?: string } = {},
) => ({
  ssr: { resolve: { conditions: ['@cos-slice/source'] } },
  resolve: { conditions: ['@cos-slice/source'] },
  test: {
    name,
    root,
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', ...exclude],
    ...patience,
    ...more,
  },
});

export default defineConfig({
  test: {
    // Many tests wait for other processes, browsers or timers, and leave the processor to others meanwhile.
    maxWorkers: availableParallelism() + 2,
    projects: [
      node('core', 'packages/core'),
      node('node', 'packages/node'),
      node('server', 'packages/server'),
      node('browser', 'packages/browser'),
      node('cli', 'packages/cli'),
      node('uppy-plugin', 'packages/uppy-plugin'),
      node('demo', 'apps/demo'),
      node('tests', 'tests', { exclude: ['ceph/**'] }),
      // One real object store for all of them.
      node('ceph', 'tests/ceph', { globalSetup: fileURLToPath(new URL('tests/ceph/setup.ts', import.meta.url)) }),
    ],
  },
});
