import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, createSigner, type UploadSource } from '@cos-slice/node';
import { makeFile } from '@cos-slice/testkit/files';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ACCOUNT, type RunningStore, startStore } from './support/store.ts';

const MIB = 1024 * 1024;
let folder: string;
let store: RunningStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-memory-'));
  store = await startStore(join(folder, 'store'), { sliceSize: { maxBytes: 16 * MIB } });
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Counts what has been read of files and not been given back. */
function createLedger() {
  const ledger = { slices: 0, bytes: 0, most: 0 };
  const source = (file: string): UploadSource => ({
    path: file,
    async open() {
      const handle = await open(file);
      const { size } = await handle.stat();
      return {
        sizeBytes: size,
        async slice({ offset, length }) {
          // From before it is read: then there is already room for it.
          ledger.slices += 1;
          ledger.bytes += length;
          ledger.most = Math.max(ledger.most, ledger.bytes);
          const { buffer } = await handle.read(new Uint8Array(length), 0, length, offset);
          return buffer;
        },
        release({ length }) {
          ledger.slices -= 1;
          ledger.bytes -= length;
        },
        identity: async () => file,
        close: () => handle.close(),
      };
    },
  });
  return { ledger, source };
}

const clientWith = (maxMemory: number) =>
  createClient({
    ...store.options,
    signer: createSigner({ ...ACCOUNT, bucket: 'demobucket', bound: false }),
    concurrency: 12,
    maxMemory,
    singleRequestMax: 0,
    resume: false,
  });

test.each([
  // One at a time, three, and as many as there are places.
  { sliceSize: MIB, maxMemory: MIB },
  { sliceSize: MIB, maxMemory: 3.5 * MIB },
  { sliceSize: MIB, maxMemory: 64 * MIB },
  { sliceSize: 8 * MIB, maxMemory: 20 * MIB },
  // Larger than all there is: it goes alone.
  { sliceSize: 8 * MIB, maxMemory: 2 * MIB },
])('slices of $sliceSize bytes of many files stay within $maxMemory', async ({ sliceSize, maxMemory }) => {
  const { ledger, source } = createLedger();
  const { upload } = clientWith(maxMemory);
  const files = await Promise.all(
    [20 * MIB, 9 * MIB + 1, 3 * MIB, MIB, 5, 17 * MIB].map((size, index) =>
      makeFile(join(folder, `${sliceSize}-${maxMemory}-${index}`), size),
    ),
  );
  const uploads = files.map((file, index) =>
    upload(source(file), `m/${sliceSize}/${maxMemory}/${index}`, { sliceSize }),
  );
  // Places, pauses and a cancelled upload do not hold up what waits for memory.
  const paused = uploads[0];
  paused?.pause();
  setTimeout(() => paused?.resume(), 50);
  const cancelled = new AbortController();
  const gone = upload(source(files[5] as string), `gone/${sliceSize}/${maxMemory}`, {
    sliceSize,
    signal: cancelled.signal,
  });
  setTimeout(() => cancelled.abort('enough'), 20);
  await Promise.all([...uploads.map(({ done }) => done), gone.done.catch(() => {})]);
  expect(ledger).toMatchObject({ slices: 0, bytes: 0 });
  expect(ledger.most).toBeLessThanOrEqual(Math.max(sliceSize, maxMemory));
});

test('a small file does not wait for all the slices of a large one', async () => {
  const { ledger, source } = createLedger();
  const { upload } = clientWith(2 * MIB);
  const large = upload(source(await makeFile(join(folder, 'large'), 48 * MIB)), 'fair/large', { sliceSize: MIB });
  const small = upload(source(await makeFile(join(folder, 'small'), MIB)), 'fair/small', { sliceSize: MIB });
  await small.done;
  expect(large.state.progress.fraction).toBeLessThan(1);
  await large.done;
  expect(ledger.most).toBeLessThanOrEqual(2 * MIB);
});
