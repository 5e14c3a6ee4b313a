import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { distinctBytes } from '../../testing/content.ts';
import { temporaryDir } from '../../testing/server.ts';
import { createBatchWriter } from './batch-writer.ts';
import { createWriteQueue } from './write-queue.ts';

async function openNew(): Promise<FileHandle> {
  const file = await open(join(await temporaryDir(), 'file'), 'wx+');
  onTestFinished(() => file.close());
  return file;
}

async function contentOf(file: FileHandle, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes);
  await file.read(bytes, 0, sizeBytes, 0);
  return bytes;
}

test('neighbouring writes become one however many pieces they have', async () => {
  const file = await openNew();
  const queue = createWriteQueue(file);
  const bytes = distinctBytes(400_000);
  const pieces = (start: number, end: number) =>
    Array.from({ length: end - start }, (_, index) => bytes.subarray(start + index, start + index + 1));
  await Promise.all([
    queue.write([Buffer.alloc(1)], 500_000),
    queue.write([bytes.subarray(0, 100_000)], 0),
    queue.write(pieces(100_000, 300_000), 100_000),
    queue.write([bytes.subarray(300_000)], 300_000),
  ]);
  expect((await contentOf(file, bytes.length)).equals(bytes)).toBe(true);
});

test('a write that fails fails alone', async () => {
  const file = await openNew();
  let calls = 0;
  const failing = new Proxy(file, {
    get: (target, name) =>
      name !== 'writev'
        ? Reflect.get(target, name)
        : (...args: Parameters<FileHandle['writev']>) =>
            ++calls === 2 ? Promise.reject(new Error('no space')) : target.writev(...args),
  });
  const queue = createWriteQueue(failing);
  const writes = [0, 30, 20, 10].map((position, index) => queue.write([Buffer.alloc(10, index + 1)], position));
  const results = await Promise.allSettled(writes);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  await queue.write([Buffer.alloc(10, 9)], 30);
  expect([...(await contentOf(file, 40))].filter((_, index) => index % 10 === 0)).toEqual([1, 4, 3, 9]);
});

test.each([
  ['of one byte', [1]],
  ['of sizes around those that are copied together', [4095, 4096, 1, 4097, 16384, 3]],
  ['of every size', [1, 7, 100, 5000, 70_000]],
])('pieces %s are written in their order', async (_, sizes) => {
  const file = await openNew();
  const writer = createBatchWriter(createWriteQueue(file), 0);
  const bytes = distinctBytes(1_500_000);
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const end = at + (sizes[index % sizes.length] as number);
    await writer.write(bytes.subarray(at, end));
    at = end;
  }
  expect(writer.sizeBytes).toBe(bytes.length);
  await writer.flush();
  expect((await contentOf(file, bytes.length)).equals(bytes)).toBe(true);
});

test('pieces of one byte cost little more memory than what they hold', async () => {
  const writes: (readonly Uint8Array[])[] = [];
  const writer = createBatchWriter(
    {
      write: async (chunks) => {
        writes.push(chunks);
      },
    },
    0,
  );
  for (let at = 0; at < 600_000; at++) await writer.write(Buffer.of(at & 255));
  await writer.flush();
  for (const chunks of writes) expect(chunks.length).toBeLessThanOrEqual(32);
});
