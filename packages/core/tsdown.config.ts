import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/errors.ts',
    'src/late.ts',
    'src/lean.ts',
    'src/integrity/crc64.ts',
    'src/upload/recorder.ts',
    'src/upload/when-taken.ts',
    'src/testing/index.ts',
  ],
  unbundle: true,
  dts: true,
  sourcemap: true,
  platform: 'neutral',
  outExtensions: () => ({ js: '.js', dts: '.d.ts' }),
});
