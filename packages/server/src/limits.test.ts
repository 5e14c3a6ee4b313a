import { expect, test } from 'vitest';
import { fileStore } from './store/files/file-store.ts';
import type { StoreLimits } from './store/store.ts';
import { post } from './testing/client.ts';
import { startServer, temporaryDir } from './testing/server.ts';
import { createUploader, SLICE_BYTES } from './testing/upload.ts';

const KIB = 1024;
const GIB = KIB ** 3;

async function sliceSizeOf(url: string, filesize: number, slice_size: number): Promise<number | string> {
  const { code, message, data } = (await post(url, { op: 'upload_slice_init', filesize, slice_size })).json();
  return code === 0 ? data.slice_size : `${code} ${message}`;
}

/** A server on a store that states other limits than it has. */
async function startLimited(limits: Partial<StoreLimits>, options = {}) {
  const dir = await temporaryDir();
  const store = fileStore(dir);
  return startServer({ dir, store: { ...store, limits: { ...store.limits, ...limits } }, ...options });
}

test.each([
  [64 * GIB, 64 * KIB, 64 * KIB],
  [64 * GIB + 1, 64 * KIB, 128 * KIB],
  [112 * GIB, 64 * KIB, 128 * KIB],
  [1024 * GIB, KIB * KIB, 1024 * KIB],
  [1700 * GIB, 1024 * KIB, 1728 * KIB],
  [8192 * GIB, 64 * KIB, 8192 * KIB],
])('a file of %i bytes in slices of %i gets slices of %i: a list stays short enough', async (file, asked, expected) => {
  const server = await startServer();
  expect(await sliceSizeOf(server.urlOf('f'), file, asked)).toBe(expected);
});

test('a file that is too large for the largest slices is refused at once, with the size it would take', async () => {
  const server = await startServer();
  expect(await sliceSizeOf(server.urlOf('f'), 8192 * GIB + 1, 64 * KIB)).toMatch(/^-5999 .*slices of 8454144 bytes/);
  const forced = await startServer({ sliceSize: { forcedBytes: 64 * KIB } });
  expect(await sliceSizeOf(forced.urlOf('f'), 65 * GIB, 64 * KIB)).toMatch(/^-5999 .*they have 65536 here at most/);
  expect((await post(server.urlOf('f'), { op: 'upload_slice_list' })).json().code).toBe(-197);
});

test('what the store can keep bounds the slices', async () => {
  const limits = { minSliceBytes: 5 * KIB * KIB, maxSliceBytes: 6 * KIB * KIB, maxSlices: 1000 };
  const { urlOf } = await startLimited(limits);
  expect(await sliceSizeOf(urlOf('small'), 100, 64 * KIB)).toBe(5 * KIB * KIB);
  expect(await sliceSizeOf(urlOf('steps'), 1e8, 3 * KIB * KIB)).toBe(6 * KIB * KIB);
  expect(await sliceSizeOf(urlOf('asked'), 1e8, 8 * KIB * KIB)).toBe(6 * KIB * KIB);
  expect(await sliceSizeOf(urlOf('many'), 5500 * KIB * KIB, 64 * KIB)).toBe(5632 * KIB);
  expect(await sliceSizeOf(urlOf('large'), 6001 * KIB * KIB, 64 * KIB)).toMatch(/^-5999 .*too large/);
});

test('a store that takes slices only one after another makes uploads serial', async () => {
  const server = await startLimited({ order: 'ascending' });
  const upload = createUploader(server.urlOf('f'));
  expect((await upload.init()).json().data.serial_upload).toBe(1);
  expect((await upload.list()).json().data.serial_upload).toBe(1);
  expect((await upload.data(1)).json()).toMatchObject({ code: -5999, message: expect.stringMatching(/; 0 is next/) });
  for (const index of [0, 1, 2, 3]) expect((await upload.data(index)).json().code).toBe(0);
  expect((await upload.finish()).json().code).toBe(0);
  expect(upload.sliceSize).toBe(SLICE_BYTES);
});

test.each([
  [{ maxBytes: 1024 }, 'maxBytes'],
  [{ forcedBytes: 1024 }, 'forcedBytes'],
  [{ forcedBytes: 8 * KIB * KIB }, 'forcedBytes'],
])('slice sizes %j that the store cannot keep are refused at the start', async (sliceSize, name) => {
  const limits = { minSliceBytes: 5 * KIB * KIB, maxSliceBytes: 6 * KIB * KIB };
  await expect(startLimited(limits, { sliceSize: { minBytes: 1, ...sliceSize } })).rejects.toThrow(
    `sliceSize.${name}: the store keeps slices of 5242880 to 6291456 bytes`,
  );
});
