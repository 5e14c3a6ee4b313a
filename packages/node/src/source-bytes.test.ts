import { patternBytes, sourceContract } from '@cos-slice/core/testing';
import { describe, expect, test } from 'vitest';
import { createBytesSource } from './source-bytes.ts';

describe('contract', () => {
  for (const { name, run } of sourceContract<Uint8Array>()) {
    test(name, () => run(async (bytes) => ({ source: createBytesSource(bytes), read: async (content) => content })));
  }
});

test('slices are views, of part of a buffer and of an ArrayBuffer too', async () => {
  const bytes = patternBytes(200_000);
  const { signal } = new AbortController();
  const part = await createBytesSource(bytes.subarray(1000, 150_000)).slice({ offset: 65_536, length: 100 }, signal);
  expect([part.buffer, part.byteOffset, part.length]).toEqual([bytes.buffer, 66_536, 100]);
  const whole = await createBytesSource(bytes.buffer).slice({ offset: 65_536, length: 100 }, signal);
  expect([whole.buffer, whole.byteOffset]).toEqual([bytes.buffer, 65_536]);
});
