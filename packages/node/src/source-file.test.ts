import { execFileSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Source } from '@cos-slice/core';
import { patternBytes, sourceContract } from '@cos-slice/core/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHasher } from './hasher.ts';
import { type FileSource, type FileSourceOptions, openFileSource } from './source-file.ts';

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
    'is edited, and its time of modification set back': async (path) => {
      await writeFile(path, BYTES.toReversed(), { flag: 'r+' });
      await utimes(path, TIME, TIME);
    },
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

describe('when its times move or it is replaced, content decides', () => {
  const SLICE = 65_536;
  const hasher = createHasher();
  /** Hands out the first slices and has them digested, as an upload does. */
  const started = async (
    slices: number,
    options: FileSourceOptions = {},
  ): Promise<{ path: string; source: FileSource }> => {
    const path = await makeFile(BYTES);
    const source = await openFileSource(path, { contentDecides: true, ...options });
    for (let offset = 0; offset < slices * SLICE; offset += SLICE) {
      const length = Math.min(SLICE, BYTES.length - offset);
      const content = await source.slice({ offset, length }, live());
      await hasher.digest('md5', content, live());
      source.stored?.({ offset, length });
      source.release?.(content);
    }
    return { path, source };
  };
  const edit = async (path: string, offset: number): Promise<void> => {
    const handle = await open(path, 'r+');
    await handle.write('edited', offset);
    await handle.close();
    await utimes(path, TIME, TIME);
    await pause(RECENT_MS);
  };

  test('equal content goes on: touched, or replaced', async () => {
    const { path, source } = await started(3);
    await utimes(path, new Date(), new Date());
    await pause(RECENT_MS);
    await source.slice({ offset: 3 * SLICE, length: SLICE }, live());
    const second = await started(5);
    await rename(await makeFile(BYTES), second.path);
    await second.source.verify?.(live());
    for (const each of [source, second.source]) await each.close?.();
  });

  test('an edit of what was handed out is a change, at the next slice and at the end', async () => {
    const first = await started(3);
    await edit(first.path, 70_000);
    const next = first.source.slice({ offset: 3 * SLICE, length: SLICE }, live());
    await expect(next).rejects.toMatchObject({ code: 'source-changed' });
    const last = await started(5);
    await edit(last.path, BYTES.length - 6);
    await expect(last.source.verify?.(live())).rejects.toMatchObject({ code: 'source-changed' });
    for (const { source } of [first, last]) await source.close?.();
  });

  test('an edit after a harmless touch is found at the end', async () => {
    const { path, source } = await started(2);
    await edit(path, 200_000);
    await source.slice({ offset: 2 * SLICE, length: SLICE }, live());
    await edit(path, 10);
    await expect(source.verify?.(live())).rejects.toMatchObject({ code: 'source-changed' });
    await source.close?.();
  });

  test('bytes that an earlier run stored cannot be compared: a change', async () => {
    const { path, source } = await started(2);
    source.stored?.({ offset: 2 * SLICE, length: BYTES.length - 2 * SLICE });
    await utimes(path, new Date(), new Date());
    await expect(source.verify?.(live())).rejects.toMatchObject({ code: 'source-changed' });
    await source.close?.();
  });

  test('a SHA-1 of all of it speaks for all of it', async () => {
    const { path, source } = await started(0);
    const context = { signal: live(), onProgress() {}, onCheckpoint() {} };
    await hasher.uploadParts(source, SLICE, context);
    await utimes(path, new Date(), new Date());
    await source.verify?.(live());
    await edit(path, 299_000);
    await expect(source.verify?.(live())).rejects.toMatchObject({ code: 'source-changed' });
    await source.close?.();
  });

  test('a file that may grow is what it was at the start; what was there before may not change', async () => {
    for (const contentDecides of [true, false]) {
      const { path, source } = await started(4, { mayGrow: true, contentDecides });
      await appendFile(path, 'more');
      await pause(RECENT_MS);
      const rest = await source.slice({ offset: 4 * SLICE, length: BYTES.length - 4 * SLICE }, live());
      await hasher.digest('md5', rest, live());
      expect(Buffer.compare(rest, BYTES.subarray(4 * SLICE))).toBe(0);
      await source.verify?.(live());
      await truncate(path, 1000);
      await expect(source.verify?.(live())).rejects.toMatchObject({ code: 'source-changed' });
      await source.close?.();
    }
    const { path, source } = await started(5, { mayGrow: true });
    await appendFile(path, 'more');
    await edit(path, 5);
    await expect(source.verify?.(live())).rejects.toMatchObject({ code: 'source-changed' });
    await source.close?.();
  });
});

describe.skipIf(process.platform !== 'linux')('files that say something else than they yield', () => {
  test.each([false, true])('are never cut off at what they say, and may grow: %s', async (mayGrow) => {
    for (const path of ['/proc/self/status', '/proc/cpuinfo', '/proc/self/environ']) {
      const source = await openFileSource(path, { mayGrow });
      expect(source.sizeBytes).toBe(0);
      await source.slice({ offset: 0, length: 0 }, live());
      await expect(source.verify?.(live())).rejects.toMatchObject({
        code: 'source-unreadable',
        message: expect.stringContaining('says that it has 0 bytes and yields more'),
      });
      await source.close?.();
    }
  });

  test('nor taken for files that became shorter', async () => {
    const path = '/sys/kernel/mm/transparent_hugepage/enabled';
    const source = await openFileSource(path);
    await expect(source.identity(live())).rejects.toMatchObject({
      code: 'source-unreadable',
      message: expect.stringContaining('yields less'),
    });
    await source.close?.();
  });
});

test('identity tells a file whose time was set back after an edit', async () => {
  const path = await makeFile(patternBytes(2_000_000));
  const identify = async (): Promise<string | undefined> => {
    const source = await openFileSource(path);
    const identity = await source.identity(live());
    await source.close?.();
    return identity;
  };
  const before = await identify();
  const handle = await open(path, 'r+');
  await handle.write('edited', 777_777);
  await handle.close();
  await utimes(path, TIME, TIME);
  expect(await identify()).not.toBe(before);
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

  test.skipIf(process.platform === 'win32')('a pipe, at once, although nobody writes into it', async () => {
    const path = join(dir, 'pipe');
    execFileSync('mkfifo', [path]);
    expect(await failure(path)).toMatchObject({
      code: 'source-unreadable',
      message: expect.stringContaining('is a pipe'),
    });
  });

  test('a name that is not UTF-8, given as text; a file: URL can name it', async () => {
    const name = Buffer.from([0xd6, 0xd0, 0xce, 0xc4]);
    await writeFile(Buffer.concat([Buffer.from(`${dir}/`), name]), 'content');
    expect(await failure(join(dir, name.toString()))).toMatchObject({
      code: 'source-unreadable',
      message: expect.stringContaining('UTF-8'),
    });
    const source = await openFileSource(new URL(`file://${dir}/%D6%D0%CE%C4`));
    expect(source.sizeBytes).toBe(7);
    await source.verify?.();
    await source.close?.();
  });

  test('a URL that is no path, and a path with a null byte', async () => {
    for (const file of [new URL('file:///a%2Fb'), 'a\0b']) {
      expect(await failure(file)).toMatchObject({ code: 'source-unreadable' });
    }
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
