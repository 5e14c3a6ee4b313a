import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type UploadOptions, uploadFile } from '@cos-slice/node';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UploadPlace } from './store.ts';

const MIB = 1024 * 1024;
const SIZES = { '0 B': 0, '1 B': 1, '1 MiB - 1': MIB - 1, '1 MiB': MIB, '1 MiB + 1': MIB + 1, '20 MB': 20_000_000 };
const NAMES = [
  'plain.bin',
  '目录/文件 名.bin',
  'a b/c  d.bin',
  '\u{1f600}/\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.bin',
  '+ % # & =.bin',
  "(!'~).bin",
];

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** What uploads do at any place. @param start gets a folder that lasts as long as the place */
export function describeEndToEnd(
  name: string,
  start: (folder: string) => Promise<UploadPlace>,
  { rounds = 8 }: { readonly rounds?: number } = {},
): void {
  describe(name, () => {
    let folder: string;
    let store: UploadPlace;
    let finished: () => void;

    beforeAll(async () => {
      await new Promise<void>((ready) => {
        void withFolder(async (path) => {
          folder = path;
          store = await start(folder);
          ready();
          await new Promise<void>((resolve) => {
            finished = resolve;
          });
          await store.close();
        });
      });
    });
    afterAll(() => finished());

    const options = (path: string, more: Partial<UploadOptions> = {}): UploadOptions => ({
      ...store.options,
      path,
      resume: false,
      ...more,
    });

    describe.each(['none', 'md5', 'sha1'] as const)('with integrity %s', (integrity) => {
      test.each(Object.entries(SIZES))('%s arrives as it is', async (name, sizeBytes) => {
        const file = await makeFile(join(folder, `${integrity}-${sizeBytes}`), sizeBytes);
        const path = `${integrity}/${name}.bin`;
        const result = await uploadFile(file, options(path, { integrity })).done;
        expect(hashOf(await store.read(path))).toBe(await sha256(file));
        expect(result.sentBytes).toBe(sizeBytes);
      });

      test.each(NAMES)('the name %s arrives as it is, and its URL leads back to it', async (name) => {
        const bytes = Buffer.from(`content of ${integrity} ${name} ${'x'.repeat(3 * MIB)}`);
        const path = `${integrity}-names/${name}`;
        const result = await uploadFile(bytes, options(path, { integrity })).done;
        expect((await store.read(path)).equals(bytes)).toBe(true);
        const downloaded = Buffer.from(await (await fetch(result.accessUrl)).arrayBuffer());
        expect(downloaded.equals(bytes)).toBe(true);
      });
    });

    test('streams of known length arrive as they are', async () => {
      const file = await makeFile(join(folder, 'streamed'), 9 * MIB + 77);
      const sizeBytes = 9 * MIB + 77;
      await uploadFile({ stream: createReadStream(file), sizeBytes }, options('stream/node.bin')).done;
      await uploadFile({ stream: new Blob([await readFile(file)]).stream(), sizeBytes }, options('stream/web.bin'))
        .done;
      expect(hashOf(await store.read('stream/node.bin'))).toBe(await sha256(file));
      expect(hashOf(await store.read('stream/web.bin'))).toBe(await sha256(file));
    });

    test('content that the bucket holds is there at once', async () => {
      const file = await makeFile(join(folder, 'known'), 5 * MIB + 3);
      await uploadFile(file, options('instant/first.bin', { integrity: 'sha1' })).done;
      const result = await uploadFile(file, options('instant/second.bin', { integrity: 'sha1' })).done;
      expect(result).toMatchObject({ instant: true, sentBytes: 0 });
      expect(hashOf(await store.read('instant/second.bin'))).toBe(await sha256(file));
    });

    test('an object is replaced only when that is asked for', async () => {
      await uploadFile(Buffer.from('one'), options('over.bin')).done;
      await expect(uploadFile(Buffer.from('two'), options('over.bin')).done).rejects.toMatchObject({ code: 'exists' });
      expect(String(await store.read('over.bin'))).toBe('one');
      await uploadFile(Buffer.from('two'), options('over.bin', { overwrite: true })).done;
      expect(String(await store.read('over.bin'))).toBe('two');
    });

    test.each([
      ['in one request', 3],
      ['in slices', 3 * MIB],
    ])('an object that is there is left alone when that is asked for, %s', async (_how, sizeBytes) => {
      const path = `left-alone/${sizeBytes}.tar.gz`;
      const contents = [1, 2, 3, 4].map((value) => Buffer.alloc(sizeBytes, value));
      const uploads = contents.map((bytes) => uploadFile(bytes, options(path, { overwrite: 'rename' })).done);
      const paths = (await Promise.all(uploads)).map((result) => result.path);
      const wanted = ['', ' (1)', ' (2)', ' (3)'].map((mark) => `left-alone/${sizeBytes}${mark}.tar.gz`);
      expect([...paths].sort()).toEqual([...wanted].sort());
      for (const [index, bytes] of contents.entries()) {
        expect((await store.read(paths[index] ?? '')).equals(bytes)).toBe(true);
      }
      const result = await uploadFile(Buffer.alloc(sizeBytes, 9), options(path, { overwrite: 'skip' })).done;
      expect(result).toMatchObject({ skipped: true, sentBytes: 0, path });
      expect(Buffer.from(await (await fetch(result.accessUrl)).arrayBuffer()).equals(await store.read(path))).toBe(
        true,
      );
      const fresh = `${path}.other`;
      await expect(uploadFile(Buffer.alloc(9), options(fresh, { overwrite: 'skip' })).done).resolves.toMatchObject({
        skipped: false,
      });
    });

    test("other content's unfinished upload is a conflict, or is started over", async () => {
      const cut = new AbortController();
      const first = uploadFile(Buffer.alloc(20 * MIB, 1), options('fight.bin', { signal: cut.signal }));
      first.subscribe((state) => state.progress.slices.stored > 2 && cut.abort('cut'));
      await expect(first.done).rejects.toBe('cut');
      const other = Buffer.alloc(21 * MIB, 2);
      await expect(uploadFile(other, options('fight.bin')).done).rejects.toMatchObject({ code: 'conflict' });
      await uploadFile(other, options('fight.bin', { onConflict: 'restart' })).done;
      expect((await store.read('fight.bin')).equals(other)).toBe(true);
    });

    test.each(['none', 'md5', 'sha1'] as const)(
      'of two files for one path at once none is mixed up (%s)',
      async (integrity) => {
        for (let round = 0; round < rounds; round += 1) {
          const path = `race-${integrity}/${round}.bin`;
          const contents = [1, 2].map((value) => Buffer.alloc(6 * MIB, value));
          const retry = { baseDelayMs: 5 };
          const ends = await Promise.allSettled(
            contents.map(async (content, index) => {
              await delay(index * round * 2);
              await uploadFile(content, options(path, { integrity, retry })).done;
            }),
          );
          for (const [index, end] of ends.entries()) {
            if (end.status === 'fulfilled')
              expect((await store.read(path)).equals(contents[index] as Buffer)).toBe(true);
            else expect(['conflict', 'exists', 'session-lost']).toContain(end.reason.code);
          }
        }
      },
    );

    test.each([
      ['a missing file', 'missing.bin', {}, 'source-unreadable'],
      ['a folder', '.', {}, 'source-unreadable'],
      ['an unknown bucket', 'file', { bucket: 'nobucket' }, 'signing-failed'],
      ['a server that is not there', 'file', { endpoint: 'http://127.0.0.1:9/files/v2' }, 'network'],
      [
        'an address that is something else',
        'file',
        { endpoint: 'http://127.0.0.1:PORT/wrong/prefix' },
        'bad-reply|bad-request|not-found',
      ],
    ] as const)('%s is a typed error of one line', async (_name, file, more, codes) => {
      await writeFile(join(folder, 'file'), 'x'.repeat(3 * MIB));
      const endpoint = 'endpoint' in more ? { endpoint: more.endpoint.replace('PORT', String(store.port)) } : {};
      const source = file === '.' ? folder : join(folder, file);
      const error = await uploadFile(
        source,
        options('bad.bin', { ...more, ...endpoint, retry: { baseDelayMs: 1 } }),
      ).done.catch((one) => one);
      expect(codes.split('|')).toContain(error.code);
      expect(error.message).not.toContain('\n');
      expect(error.message).not.toContain('KEY');
    });
  });
}
