import { fileURLToPath } from 'node:url';
import { sourcesOf } from './rooms.js';
import { TASK } from './task.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

export default {
  mutate: sourcesOf(TASK.room, TASK.only),
  testRunner: 'vitest',
  vitest: { configFile: here('vitest.config.ts'), related: false },
  coverageAnalysis: 'perTest',
  plugins: ['@stryker-mutator/vitest-runner', here('prose.js'), here('sample.js'), here('report.js')],
  ignorers: ['prose'],
  checkers: TASK.sample < 1 ? ['sample'] : [],
  reporters: ['report'],
  concurrency: TASK.concurrency,
  // What goes round without end is counted. Only what waits without end is left to these, and a slow machine must not look so.
  timeoutMS: 10_000,
  timeoutFactor: 2,
  // What is copied is code and what its tests read.
  ignorePatterns: [
    '/apps',
    '/bench',
    '/deploy',
    '/tests',
    '/packages/{browser,cli,node,testkit,uppy-plugin}',
    'dist',
    '.turbo',
  ],
  tempDirName: '.stryker-tmp',
  cleanTempDir: 'always',
  // The first run of all tests, on a machine that is busy.
  dryRunTimeoutMinutes: 20,
  allowConsoleColors: false,
  logLevel: 'warn',
};
