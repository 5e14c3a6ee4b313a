import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type UploadFileOptions, type UploadSource, uploadFile } from '@cos-slice/node';
import type { RequestInfo } from '@cos-slice/server';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningStore, startStore } from './support/store.ts';

const MIB = 1024 * 1024;
let folder: string;
let temporary: string;
let store: RunningStore;
const requests: RequestInfo[] = [];
const { TMPDIR } = process.env;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-streams-'));
  temporary = join(folder, 'tmp');
  await mkdir(temporary);
  process.env.TMPDIR = temporary;
  requests.length = 0;
  store = await startStore(join(folder, 'store'), { onRequest: (info) => requests.push(info) });
});
afterEach(async () => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const upload = (source: UploadSource, path: string, more: Partial<UploadFileOptions> = {}) =>
  uploadFile(source, { ...store.options, path, ...more });

/** Chunks of all sizes, empty ones too, with the turns of the event loop between them. */
async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0, length = 0; at < bytes.length; at += length, length = (length * 3 + 1) % 300_000) {
    await delay(0);
    yield bytes.subarray(at, at + length);
  }
}

test.each([0, 1, MIB, MIB + 1, 5 * MIB + 77])(
  '%i bytes of a stream of unknown length arrive as they are',
  async (sizeBytes) => {
    const bytes = Buffer.alloc(sizeBytes);
    for (let at = 0; at < sizeBytes; at += 97) bytes[at] = at % 251;
    const file = join(folder, 'file');
    await writeFile(file, bytes);
    const sources: UploadSource[] = [
      createReadStream(file),
      Readable.from(chunksOf(bytes)),
      chunksOf(bytes),
      new Blob([bytes]).stream(),
      Readable.from(chunksOf(bytes)).pipe(new PassThrough()),
    ];
    for (const [index, source] of sources.entries()) {
      requests.length = 0;
      const running = upload(source, `${sizeBytes}/${index}`, { integrity: index % 2 ? 'sha1' : 'md5' });
      expect(await running.done).toMatchObject({ sentBytes: sizeBytes });
      expect((await store.read(`${sizeBytes}/${index}`)).equals(bytes)).toBe(true);
      // What fits one request goes in one.
      await expect.poll(() => requests.some(({ op }) => op === 'upload')).toBe(sizeBytes <= MIB);
      expect(await readdir(temporary)).toEqual([]);
    }
  },
);

test('the temporary file is bounded, and has no name while it is there', async () => {
  const seen: string[] = [];
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      seen.push(...(await readdir(temporary)));
      yield Buffer.alloc(300_000);
    }
  }
  const source = Readable.from(endless());
  await expect(upload(source, 'endless', { spoolMax: 3 * MIB }).done).rejects.toMatchObject({
    code: 'source-unreadable',
    message: expect.stringMatching(/more than 3145728 bytes.*raise spoolMax, or give its sizeBytes/),
  });
  expect(source.destroyed).toBe(true);
  if (process.platform !== 'win32') expect(seen).toEqual([]);
  expect(await readdir(temporary)).toEqual([]);
  expect(requests).toEqual([]);
});

test('a stream that fails half-way fails the upload, and nothing of it is kept or sent', async () => {
  const bytes = Buffer.alloc(2 * MIB);
  async function* broken(): AsyncGenerator<Buffer> {
    yield bytes;
    throw new Error('the pipe burst');
  }
  await expect(upload(Readable.from(broken()), 'broken').done).rejects.toMatchObject({
    code: 'source-unreadable',
    message: 'the stream failed after 2097152 bytes: the pipe burst',
  });
  expect([await readdir(temporary), requests]).toEqual([[], []]);
});

test('a slow stream is waited for, and given up when the upload is cancelled', async () => {
  const source = new PassThrough();
  const controller = new AbortController();
  // Nothing comes for longer than anything else may stand still.
  const running = upload(source, 'slow', { timeouts: { noProgressMs: 1_500 }, signal: controller.signal });
  source.write(Buffer.alloc(10));
  await delay(4_000);
  expect(running.state.phase).toBe('opening');
  controller.abort('enough');
  await expect(running.done).rejects.toBe('enough');
  expect(source.destroyed).toBe(true);
});

test('what is no stream of bytes is told', async () => {
  await expect(upload(Readable.from(['text']), 'text').done).rejects.toThrow('something other than bytes');
  expect(() => upload({} as never, 'nothing')).toThrow('source must be a path');
});
