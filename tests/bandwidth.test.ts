import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBandwidth, createClient, createSigner, uploadFile } from '@cos-slice/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ACCOUNT, type RunningStore, startStore } from './support/store.ts';

const KIB = 1024;
let folder: string;
let store: RunningStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-bandwidth-'));
  store = await startStore(join(folder, 'store'));
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const client = (bandwidth: number | ReturnType<typeof createBandwidth>) =>
  createClient({
    ...store.options,
    signer: createSigner({ ...ACCOUNT, bucket: 'demobucket', bound: false }),
    bandwidth,
  });

async function secondsOf(act: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await act();
  return (performance.now() - startedAtMs) / 1000;
}

test('uploads of a client share its rate, in slices and in one request', async () => {
  const { upload } = client(512 * KIB);
  const seconds = await secondsOf(() =>
    Promise.all([
      upload(Buffer.alloc(256 * KIB, 1), 'one').done,
      upload(Buffer.alloc(512 * KIB, 2), 'slices', { sliceSize: 64 * KIB, singleRequestMax: 0 }).done,
    ]),
  );
  // 768 KiB; the last piece need not have had its time.
  expect(seconds).toBeGreaterThan(1.35);
  expect((await store.read('slices')).equals(Buffer.alloc(512 * KIB, 2))).toBe(true);
});

test('downloads go by it, too', async () => {
  await uploadFile(Buffer.alloc(700 * KIB, 3), { ...store.options, path: 'down' }).done;
  const file = join(folder, 'down');
  const seconds = await secondsOf(() => client(512 * KIB).download('down', file).done);
  expect(seconds).toBeGreaterThan(1.1);
  expect((await readFile(file)).equals(Buffer.alloc(700 * KIB, 3))).toBe(true);
});

test('it is changed while an upload runs', async () => {
  const bandwidth = createBandwidth(4 * KIB);
  const upload = uploadFile(Buffer.alloc(700 * KIB), { ...store.options, path: 'changed', bandwidth });
  // At this rate it would take three minutes.
  setTimeout(() => {
    bandwidth.bytesPerSecond = Number.POSITIVE_INFINITY;
  }, 500);
  expect(await secondsOf(() => upload.done)).toBeLessThan(120);
});

test('what is no rate is refused at once', () => {
  for (const bandwidth of [0, -5, Number.NaN]) {
    expect(() => uploadFile(Buffer.alloc(1), { ...store.options, path: 'x', bandwidth })).toThrow('bandwidth must');
  }
  expect(() => uploadFile(Buffer.alloc(1), { ...store.options, path: 'x', bandwidth: {} as never })).toThrow(
    'bandwidth must',
  );
});
