import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createSmallFiles, SMALL_BYTES } from './small-files.ts';

const LONG_AGO = new Date(1_600_000_000_000);

function setUp() {
  const folder = mkdtempSync(join(tmpdir(), 'cos-slice-'));
  const life = new AbortController();
  onTestFinished(() => {
    life.abort();
    rmSync(folder, { recursive: true, force: true });
  });
  const write = (name: string, bytes: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    utimesSync(path, LONG_AGO, LONG_AGO);
    return path;
  };
  return { folder, life, write };
}

test('files come whole, with their digest and time, however many are asked for at once', async () => {
  const { life, write } = setUp();
  const contents = [1, 7, 4096, SMALL_BYTES].map((sizeBytes) => randomBytes(sizeBytes));
  const paths = contents.map((bytes, index) => write(`名 ${index}`, bytes));
  const files = createSmallFiles('sha1', 8, life.signal);
  for (let round = 0; round < 3; round += 1) {
    const read = await Promise.all(paths.map(files.read));
    contents.forEach((bytes, index) => {
      const file = read[index];
      expect(Buffer.from(file?.content ?? []).equals(bytes)).toBe(true);
      expect(file?.digest).toBe(createHash('sha1').update(bytes).digest('hex'));
      expect(file?.modifiedAtMs).toBe(LONG_AGO.getTime());
      file?.release();
    });
  }
  expect((await createSmallFiles(undefined, 1, life.signal).read(paths[0] ?? ''))?.digest).toBeUndefined();
});

test('what an upload has to see to is left to it: large files, those that are written to, missing ones, and what is no file', async () => {
  const { folder, life, write } = setUp();
  const files = createSmallFiles('md5', 2, life.signal);
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  mkdirSync(join(folder, 'folder'));
  for (const path of [
    write('large', randomBytes(SMALL_BYTES + 1)),
    join(folder, 'missing'),
    join(folder, 'folder'),
    pipe,
  ]) {
    expect(await files.read(path), path).toBeUndefined();
  }
  const log = write('log', randomBytes(10));
  expect((await files.read(log))?.sizeBytes).toBe(10);
  appendFileSync(log, 'more');
  // As of a clock that is ahead, so that no loaded machine makes it old enough.
  utimesSync(log, new Date(Date.now() + 3_600_000), new Date(Date.now() + 3_600_000));
  expect(await files.read(log)).toBeUndefined();
  // None of this has broken anything.
  expect((await files.read(write('good', randomBytes(5))))?.sizeBytes).toBe(5);
});

test('whoever is still waited for when all is over comes to nothing', async () => {
  const { life, write } = setUp();
  const files = createSmallFiles('md5', 2, life.signal);
  const path = write('file', randomBytes(5));
  life.abort();
  expect(await files.read(path)).toBeUndefined();
});
