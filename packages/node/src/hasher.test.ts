import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileHash, HashCheckpoint, Source } from '@cos-slice/core';
import { hasherContract, patternBytes } from '@cos-slice/core/testing';
import { readFixture } from '@cos-slice/testkit/fixtures';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeCheckpoint, encodeCheckpoint } from './hash-checkpoint.ts';
import { createHasher } from './hasher.ts';
import { createBytesSource } from './source-bytes.ts';
import { openFileSource } from './source-file.ts';

interface Vector {
  readonly size: number;
  readonly slice_size: number;
  readonly sha1: string;
  readonly parts: { readonly offset: number; readonly datalen: number; readonly datasha: string }[];
}
const { vectors } = (await readFixture('vectors/sha1-slices.json')) as { vectors: Vector[] };

const MIB = 1024 * 1024;
const hasher = createHasher();
let dir: string;
let files = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-'));
});
afterAll(() => rm(dir, { recursive: true }));
const fileOf = async (bytes: Uint8Array): Promise<string> => {
  const path = join(dir, `file-${files++}.bin`);
  await writeFile(path, bytes);
  return path;
};

interface Run {
  readonly from?: HashCheckpoint;
  readonly signal?: AbortSignal;
  readonly onProgress?: (hashedBytes: number) => void;
  readonly onCheckpoint?: (checkpoint: HashCheckpoint) => void;
}
const hash = (source: Source<Uint8Array>, sliceSizeBytes: number, run: Run = {}): Promise<FileHash> =>
  hasher.uploadParts(source, sliceSizeBytes, {
    signal: new AbortController().signal,
    onProgress() {},
    onCheckpoint() {},
    ...run,
  });

for (const [kind, makeSource] of [
  ['files', async (bytes: Uint8Array) => openFileSource(await fileOf(bytes))],
  ['bytes', async (bytes: Uint8Array) => createBytesSource(bytes)],
] as const) {
  describe(`contract, ${kind}`, () => {
    for (const { name, run } of hasherContract<Uint8Array>()) {
      test(name, () =>
        run(async () => ({
          hasher,
          source: makeSource,
          content: (bytes) => bytes,
          read: async (content) => content,
        })),
      );
    }
  });

  describe(`vectors of the vendor's clients, ${kind}`, () => {
    for (const { size, slice_size, sha1, parts } of vectors) {
      test(`${size} bytes in slices of ${slice_size}`, async () => {
        const source = await makeSource(patternBytes(size));
        const expected = parts.map(({ offset, datalen, datasha }) => ({ offset, datalen, datasha }));
        expect(await hash(source, slice_size)).toEqual({ sha: sha1, parts: expected });
        await source.close?.();
      });
    }
  });
}

test('digests a view without copying or keeping its buffer, in shared memory or not', async () => {
  const { signal } = new AbortController();
  for (const buffer of [new ArrayBuffer(MIB), new SharedArrayBuffer(MIB)]) {
    const all = new Uint8Array(buffer);
    all.set(patternBytes(MIB));
    const view = all.subarray(1000, 500_000);
    const expected = createHash('md5').update(view).digest('hex');
    expect(await hasher.digest('md5', view, signal)).toBe(expected);
    expect(all.length).toBe(MIB);
  }
});

describe('a large file', () => {
  const SLICE = MIB;
  const SIZE = 600 * MIB + 17;
  let path: string;
  let whole: FileHash;
  let checkpoints: HashCheckpoint[];
  beforeAll(async () => {
    path = await fileOf(patternBytes(3 * MIB));
    await truncate(path, SIZE);
    checkpoints = [];
    const source = await openFileSource(path);
    whole = await hash(source, SLICE, { onCheckpoint: (checkpoint) => checkpoints.push(checkpoint) });
    await source.close?.();
  });

  test('gives checkpoints of plain JSON, and going on from one gives the same', async () => {
    expect(checkpoints.length).toBe(2);
    for (const checkpoint of checkpoints) {
      const from = JSON.parse(JSON.stringify(checkpoint)) as HashCheckpoint;
      const source = await openFileSource(path);
      const progress: number[] = [];
      const resumed = await hash(source, SLICE, { from, onProgress: (hashedBytes) => progress.push(hashedBytes) });
      await source.close?.();
      expect(resumed).toEqual(whole);
      expect(progress[0]).toBeGreaterThan(checkpoint.hashedBytes);
    }
  });

  test('starts over from a checkpoint of another slice size or another version of the hash', async () => {
    const [checkpoint] = checkpoints;
    if (!checkpoint) throw new Error('no checkpoint');
    expect(await decodeCheckpoint(checkpoint, SIZE, SLICE)).toBeDefined();
    expect(await decodeCheckpoint(checkpoint, SIZE, SLICE / 2)).toBeUndefined();
    expect(await decodeCheckpoint(checkpoint, checkpoint.hashedBytes, SLICE)).toBeUndefined();
    const position = await decodeCheckpoint(checkpoint, SIZE, SLICE);
    if (!position) throw new Error('no position');
    const foreign = position.state.slice();
    foreign[0] = (foreign[0] ?? 0) ^ 255;
    const other = encodeCheckpoint({ ...position, state: foreign }, SLICE);
    expect(await decodeCheckpoint(other, SIZE, SLICE)).toBeUndefined();
  });

  test('stops soon after an abort and leaves the worker for the next file', async () => {
    const source = await openFileSource(path);
    const startedAtMs = performance.now();
    await hash(source, SLICE);
    const wholeMs = performance.now() - startedAtMs;
    const controller = new AbortController();
    const reason = new Error('cancelled');
    let abortedAtMs = 0;
    const onProgress = (): void => {
      abortedAtMs ||= performance.now();
      controller.abort(reason);
    };
    await expect(hash(source, SLICE, { signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(performance.now() - abortedAtMs).toBeLessThan(wholeMs / 2);
    await source.close?.();
    const small = await openFileSource(await fileOf(patternBytes(5_557_039)));
    expect((await hash(small, SLICE)).sha).toBe('7cccd484567eaa68623789fa475a7c0665bbf3f2');
    await small.close?.();
  });

  test('slices are digested while files are being hashed', async () => {
    const source = await openFileSource(path);
    const hashing = Promise.all([hash(source, SLICE), hash(source, SLICE), hash(source, SLICE)]);
    let done = false;
    hashing.then(() => {
      done = true;
    });
    await hasher.digest('md5', patternBytes(MIB), new AbortController().signal);
    expect(done).toBe(false);
    expect((await hashing).every(({ sha }) => sha === whole.sha)).toBe(true);
    await source.close?.();
  });
});

describe('a file that changes while it is hashed', () => {
  for (const [name, change] of [
    ['grows', (path: string) => appendFile(path, 'x')],
    ['shrinks', (path: string) => truncate(path, 1000)],
  ] as const) {
    test(`${name}: source-changed`, async () => {
      const path = await fileOf(patternBytes(MIB));
      await truncate(path, 200 * MIB);
      const source = await openFileSource(path);
      let changing: Promise<void> | undefined;
      const onProgress = (): void => {
        changing ??= change(path);
      };
      await expect(hash(source, MIB, { onProgress })).rejects.toMatchObject({ code: 'source-changed' });
      await changing;
      await source.close?.();
    });
  }
});
