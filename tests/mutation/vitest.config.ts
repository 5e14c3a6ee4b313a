import { statSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { ROOMS } from './rooms.js';
import { TASK } from './task.js';

/** Small files first, and generated histories last: most mistakes show at once. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files
      .map((file) => ({ file, cost: statSync(file.moduleId).size + (/properties/.test(file.moduleId) ? 1e9 : 0) }))
      .sort((a, b) => a.cost - b.cost)
      .map(({ file }) => file);
  }
}

export default defineConfig({
  ssr: { resolve: { conditions: ['@cos-slice/source'] } },
  resolve: { conditions: ['@cos-slice/source'] },
  test: {
    include: [...(ROOMS[TASK.room]?.tests ?? [])],
    sequence: { sequencer: QuickFirst },
    testTimeout: 60_000,
    // Of the generated ones.
    env: { HISTORIES: '300' },
  },
});
