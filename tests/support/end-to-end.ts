import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createUnfinishedUploads, type UploadOptions, uploadFile } from '@cos-slice/node';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UploadPlace, WireFacts } from './place.ts';

const NAMES = [
  'plain.bin',
  '目录/文件 名.bin',
  'a b/c  d.bin',
  '\u{1f600}/\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.bin',
  '+ % # & =.bin',
  "(!'~).bin",
];

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** What uploads do at any place, over any wire. @param start gets a folder that lasts as long as the place */
export function describeEndToEnd(
  name: string,
  { sliceBytes, integrity: integrities, instant, onePerPath, keepsSlices }: WireFacts,
  start: (folder: string) => Promise<UploadPlace>,
  { rounds = 8 }: { readonly rounds?: number } = {},
): void {
  const sizes = {
    nothing: 0,
    'one byte': 1,
    'a slice - 1': sliceBytes - 1,
    'a slice': sliceBytes,
    'a slice + 1': sliceBytes + 1,
    'many slices': 19 * sliceBytes + 77_777,
  };

  describe(name, () => {
    let folder: string;
    let store: UploadPlace;
    let finished: () => void;

    beforeAll(async () => {
      await new Promise<void>((ready, failed) => {
        withFolder(async (path) => {
          folder = path;
          store = await start(folder);
          ready();
          await new Promise<void>((resolve) => {
            finished = resolve;
          });
          await store.close();
        }).catch(failed);
      });
    });
    afterAll(() => finished?.());

    const options = (path: string, more: Partial<UploadOptions> = {}): UploadOptions => ({
      ...store.options,
      path,
      sliceSize: sliceBytes,
      resume: false,
      ...more,
    });

    describe.each(integrities)('with integrity %s', (integrity) => {
      test.each(Object.entries(sizes))('%s arrives as it is, and nothing else is left', async (name, sizeBytes) => {
        const file = await makeFile(join(folder, `${integrity}-${sizeBytes}`), sizeBytes);
        const path = `${integrity}/${name}.bin`;
        const result = await uploadFile(file, options(path, { integrity })).done;
        expect(hashOf(await store.read(path))).toBe(await sha256(file));
        expect(result.sentBytes).toBe(sizeBytes);
        expect(await store.unfinished()).toEqual([]);
      });

      test.each(NAMES)('the name %s arrives as it is, and its URL leads back to it', async (name) => {
        const bytes = Buffer.from(`content of ${integrity} ${name} ${'x'.repeat(3 * sliceBytes)}`);
        const path = `${integrity}-names/${name}`;
        const result = await uploadFile(bytes, options(path, { integrity })).done;
        expect((await store.read(path)).equals(bytes)).toBe(true);
        expect((await store.follow(result.accessUrl)).equals(bytes)).toBe(true);
      });
    });

    test('streams arrive as they are, whether their length is known or not', async () => {
      const sizeBytes = 9 * sliceBytes + 77;
      const file = await makeFile(join(folder, 'streamed'), sizeBytes);
      const web = async () => new Blob([await readFile(file)]).stream();
      const streams = {
        'node.bin': { stream: createReadStream(file), sizeBytes },
        'web.bin': { stream: await web(), sizeBytes },
        'node-unknown.bin': createReadStream(file),
        'web-unknown.bin': await web(),
      };
      for (const [name, stream] of Object.entries(streams)) {
        await uploadFile(stream, options(`stream/${name}`)).done;
        expect(hashOf(await store.read(`stream/${name}`)), name).toBe(await sha256(file));
      }
    });

    test.runIf(instant)('content that the bucket holds is there at once', async () => {
      const file = await makeFile(join(folder, 'known'), 5 * sliceBytes + 3);
      await uploadFile(file, options('instant/first.bin', { integrity: 'sha1' })).done;
      const result = await uploadFile(file, options('instant/second.bin', { integrity: 'sha1' })).done;
      expect(result).toMatchObject({ instant: true, sentBytes: 0 });
      expect(hashOf(await store.read('instant/second.bin'))).toBe(await sha256(file));
    });

    test('an object is replaced only when that is asked for', async () => {
      const contents = [3, 3 * sliceBytes].map((sizeBytes) => randomBytes(sizeBytes));
      for (const there of contents) {
        const path = `over/${there.length}.bin`;
        await uploadFile(there, options(path)).done;
        for (const other of contents.map(({ length }) => randomBytes(length))) {
          await expect(uploadFile(other, options(path)).done).rejects.toMatchObject({ code: 'exists' });
          expect((await store.read(path)).equals(there)).toBe(true);
          await uploadFile(other, options(`${path}.${other.length}`)).done;
          await uploadFile(there, options(`${path}.${other.length}`, { overwrite: true })).done;
          expect((await store.read(`${path}.${other.length}`)).equals(there)).toBe(true);
        }
      }
      expect(await store.unfinished()).toEqual([]);
    });

    test.each([
      ['in one request', 3],
      ['in slices', 3 * sliceBytes],
    ])('an object that is there is left alone when that is asked for, %s', async (_how, sizeBytes) => {
      const path = `left-alone/${sizeBytes}.tar.gz`;
      const contents = [1, 2, 3, 4].map((value) => Buffer.alloc(sizeBytes, value));
      const upload = async (bytes: Buffer) =>
        (await uploadFile(bytes, options(path, { overwrite: 'rename' })).done).path;
      const paths: string[] = [];
      if (keepsSlices || sizeBytes < sliceBytes) paths.push(...(await Promise.all(contents.map(upload))));
      else for (const bytes of contents) paths.push(await upload(bytes));
      const wanted = ['', ' (1)', ' (2)', ' (3)'].map((mark) => `left-alone/${sizeBytes}${mark}.tar.gz`);
      expect([...paths].sort()).toEqual([...wanted].sort());
      for (const [index, bytes] of contents.entries()) {
        expect((await store.read(paths[index] ?? '')).equals(bytes)).toBe(true);
      }
      // What was sent under a name that others had taken; where there is one to a path, the server removes it in time.
      if (!onePerPath) expect(await store.unfinished()).toEqual([]);
      const result = await uploadFile(Buffer.alloc(sizeBytes, 9), options(path, { overwrite: 'skip' })).done;
      expect(result).toMatchObject({ skipped: true, sentBytes: 0, path });
      expect((await store.follow(result.accessUrl)).equals(await store.read(path))).toBe(true);
      const fresh = `${path}.other`;
      await expect(uploadFile(Buffer.alloc(9), options(fresh, { overwrite: 'skip' })).done).resolves.toMatchObject({
        skipped: false,
      });
    });

    test(`other content's unfinished upload ${onePerPath ? 'is a conflict, or is started over' : "is in nobody's way"}`, async () => {
      const cut = new AbortController();
      const first = uploadFile(Buffer.alloc(20 * sliceBytes, 1), options('fight.bin', { signal: cut.signal }));
      first.subscribe((state) => state.progress.slices.stored > 2 && cut.abort('cut'));
      await expect(first.done).rejects.toBe('cut');
      const other = Buffer.alloc(21 * sliceBytes, 2);
      if (onePerPath) {
        await expect(uploadFile(other, options('fight.bin')).done).rejects.toMatchObject({ code: 'conflict' });
        await uploadFile(other, options('fight.bin', { onConflict: 'restart' })).done;
        expect(await store.unfinished()).toEqual([]);
      } else {
        await uploadFile(other, options('fight.bin')).done;
        // Of what was cut, nothing is remembered.
        expect(await store.unfinished()).toEqual(['fight.bin']);
        const unfinished = createUnfinishedUploads({ ...store.options, resume: false });
        for await (const { path, session } of unfinished.list('')) await unfinished.discard({ path, session });
        expect(await store.unfinished()).toEqual([]);
      }
      expect((await store.read('fight.bin')).equals(other)).toBe(true);
    });

    test.each(integrities)('of two files for one path at once none is mixed up (%s)', async (integrity) => {
      for (let round = 0; round < rounds; round += 1) {
        const path = `race-${integrity}/${round}.bin`;
        const contents = [1, 2].map((value) => Buffer.alloc(6 * sliceBytes, value));
        const retry = { baseDelayMs: 5 };
        const ends = await Promise.allSettled(
          contents.map(async (content, index) => {
            await delay(index * round * 2);
            await uploadFile(content, options(path, { integrity, retry })).done;
          }),
        );
        const winners = contents.filter((_, index) => ends[index]?.status === 'fulfilled');
        const stored = winners.length > 0 ? await store.read(path) : undefined;
        const held = winners.filter((content) => stored?.equals(content));
        expect(held.length).toBe(keepsSlices ? winners.length : Math.min(1, winners.length));
        for (const end of ends) {
          if (end.status === 'rejected') expect(['conflict', 'exists', 'session-lost']).toContain(end.reason.code);
        }
      }
    });

    test.each([
      ['a missing file', 'missing.bin', 'source-unreadable'],
      ['a folder', '.', 'source-unreadable'],
      ['an unknown bucket', 'bucket', 'signing-failed|bucket-not-found'],
      ['a server that is not there', 'server', 'network'],
      ['an address that is something else', 'address', 'bad-reply|bad-request|not-found|bucket-not-found|unauthorized'],
      ['a wrong key', 'key', 'unauthorized'],
    ] as const)('%s is a typed error of one line', async (_name, what, codes) => {
      const source = join(folder, what.includes('.') ? what : 'file');
      await writeFile(join(folder, 'file'), 'x'.repeat(3 * sliceBytes));
      const astray = { ...store.astray, server: store.through(9), '.': {}, 'missing.bin': {} }[what];
      // Its address is one bucket's.
      if (!astray) return;
      const more = { retry: { baseDelayMs: 1 }, overwrite: true, ...astray };
      const error = await uploadFile(source, options('bad.bin', more)).done.catch((one) => one);
      expect(codes.split('|')).toContain(error.code);
      expect(error.message).not.toContain('\n');
      expect(error.message).not.toContain('KEY');
    });
  });
}
