import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/testing/index.ts',
    'src/integrity/check-worker.js',
    'src/store/files/names-worker.js',
    'src/store/files/small-worker.js',
  ],
  unbundle: true,
  dts: true,
  sourcemap: true,
  platform: 'node',
  outExtensions: () => ({ js: '.js', dts: '.d.ts' }),
});
