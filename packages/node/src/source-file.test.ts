import { appendFile, chmod, mkdir, mkdtemp, rename, rm, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Source } from '@cos-slice/core';
import { patternBytes, sourceContract } from '@cos-slice/core/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFileSource } from './source-file.ts';

let dir: string;
let files = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-'));
});
afterAll(() => rm(dir, { recursive: true }));

const TIME = new Date('2024-05-06T07:08:09.123Z');
const makeFile = async (bytes: Uint8Array): Promise<string> => {
  const path = join(dir, `file-${files++}.bin`);
  await writeFile(path, bytes);
  // Equal content has an equal time in these tests: an unchanged file is what it stands for.
  await utimes(path, TIME, TIME);
  return path;
};
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));
/** A check that is younger than this counts for the next slice too. */
const RECENT_MS = 40;
const live = (): AbortSignal => new AbortController().signal;
const BYTES = patternBytes(300_000);

describe('contract', () => {
  for (const { name, run } of sourceContract<Uint8Array>()) {
    test(name, () =>
      run(async (bytes) => ({
        source: await openFileSource(await makeFile(bytes)),
        read: async (content) => content,
      })),
    );
  }
});

test('opens file: URLs', async () => {
  const source = await openFileSource(pathToFileURL(await makeFile(BYTES)));
  expect(source.sizeBytes).toBe(300_000);
  await source.close?.();
});

test('uses as many buffers as slices are held at once, also when slices grow', async () => {
  const source = await openFileSource(await makeFile(BYTES));
  const buffers = new Set<unknown>();
  for (let round = 0; round < 20; round += 1) {
    const held = await Promise.all([0, 1, 2].map((i) => source.slice({ offset: i * 65_536, length: 65_536 }, live())));
    for (const content of held) {
      buffers.add(content.buffer);
      source.release?.(content);
    }
  }
  expect(buffers.size).toBe(3);
  const larger = await source.slice({ offset: 0, length: 131_072 }, live());
  expect(Buffer.compare(larger, BYTES.subarray(0, 131_072))).toBe(0);
  source.release?.(larger);
  await source.close?.();
});

describe('a file that changes while it is uploaded', () => {
  const changes: Record<string, (path: string) => Promise<void>> = {
    grows: (path) => appendFile(path, 'x'),
    shrinks: (path) => truncate(path, 100_000),
    'is written in place': (path) => writeFile(path, BYTES.toReversed(), { flag: 'r+' }),
    'is replaced by another of the same size and time': async (path) => rename(await makeFile(BYTES), path),
    'is removed': (path) => unlink(path),
  };
  for (const [name, change] of Object.entries(changes)) {
    test(`${name}: source-changed from slices and verify`, async () => {
      const path = await makeFile(BYTES);
      const source = await openFileSource(path);
      await source.slice({ offset: 0, length: 65_536 }, live());
      await change(path);
      await pause(RECENT_MS);
      const expected = { code: 'source-changed', remedy: 'none', message: expect.stringContaining(path) };
      await expect(source.slice({ offset: 196_608, length: 65_536 }, live())).rejects.toMatchObject(expected);
      await expect(source.verify?.()).rejects.toMatchObject(expected);
      await source.close?.();
    });
  }
});

test('identity tells an edit anywhere by the time of modification', async () => {
  const path = await makeFile(patternBytes(2_000_000));
  const identify = async (): Promise<string | undefined> => {
    const source: Source<Uint8Array> = await openFileSource(path);
    const identity = await source.identity(live());
    await source.close?.();
    return identity;
  };
  const before = await identify();
  expect(await identify()).toBe(before);
  const edited = patternBytes(2_000_000);
  edited[777_777] = 0;
  await writeFile(path, edited);
  expect(await identify()).not.toBe(before);
});

describe('what cannot be read says what to do', () => {
  const failure = (file: string | URL): Promise<unknown> => openFileSource(file).catch((error) => error);

  test('a file that does not exist', async () => {
    const path = join(dir, 'nothing');
    expect(await failure(path)).toMatchObject({
      code: 'source-unreadable',
      message: `there is no file ${path}: check the path`,
    });
  });

  test('a directory', async () => {
    await mkdir(join(dir, 'folder'));
    expect(await failure(join(dir, 'folder'))).toMatchObject({
      code: 'source-unreadable',
      message: expect.stringContaining('is a directory'),
    });
  });

  test('a device', async () => {
    expect(await failure('/dev/null')).toMatchObject({ code: 'source-unreadable' });
  });

  test.skipIf(process.getuid?.() === 0)('a file without permission', async () => {
    const path = await makeFile(BYTES);
    await chmod(path, 0);
    expect(await failure(path)).toMatchObject({
      code: 'source-unreadable',
      message: expect.stringContaining('EACCES'),
    });
  });

  test('a URL of another scheme', async () => {
    expect(await failure(new URL('https://example.com/a'))).toMatchObject({ code: 'source-unreadable' });
  });
});
