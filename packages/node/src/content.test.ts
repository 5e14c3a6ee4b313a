import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import fs from 'node:fs';
import { mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SendContext, WireRequest } from '@cos-slice/core';
import { patternBytes, sourceContract } from '@cos-slice/core/testing';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Content, isLarge, piecesOf } from './content.ts';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { createHasher } from './hasher.ts';
import { type FileSource, openFileSource } from './source-file.ts';
import { createHttpTransport } from './transport.ts';

const MIB = 1024 * 1024;
/** A check of the file that is younger counts for what is read next. */
const RECENT_MS = 40;
const TIME = new Date('2024-05-06T07:08:09.123Z');
let dir: string;
let files = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-'));
});
afterAll(() => rm(dir, { recursive: true }));

const open = async (
  bytes: Uint8Array,
  { contentDecides = false, sizeBytes = bytes.length } = {},
): Promise<FileSource<Content> & { file: string }> => {
  const file = join(dir, `${files++}.bin`);
  await writeFile(file, bytes);
  await truncate(file, sizeBytes);
  await utimes(file, TIME, TIME);
  return { ...(await openFileSource(file, { largeBytes: 1000, contentDecides })), file };
};
const live = (): AbortSignal => new AbortController().signal;
const read = async (content: Content): Promise<Uint8Array> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of piecesOf(content, 10_000)) pieces.push(piece.slice());
  return Buffer.concat(pieces);
};

describe('the contract of sources, of slices that are not held in memory', () => {
  for (const { name, run } of sourceContract<Content>()) {
    test(name, () => run(async (bytes) => ({ source: await open(bytes), read })));
  }
});

test('what is not held in memory takes next to nothing of it', async () => {
  const source = await open(patternBytes(5000));
  expect(source.heldBytes?.({ offset: 0, length: 1000 })).toBe(1000);
  expect(source.heldBytes?.({ offset: 0, length: 64 * MIB })).toBeLessThanOrEqual(MIB);
  expect(isLarge(await source.slice({ offset: 0, length: 1000 }, live()))).toBe(false);
  expect(isLarge(await source.slice({ offset: 0, length: 1001 }, live()))).toBe(true);
  await source.close?.();
});

test.each(['md5', 'sha1', 'crc64-xz', 'crc64-nvme'] as const)('%s is that of the bytes', async (algorithm) => {
  const bytes = patternBytes(3 * MIB + 17);
  const hasher = createHasher();
  const source = await open(bytes);
  const range = { offset: 4321, length: 2.5 * MIB };
  const large = await source.slice(range, live());
  const held = bytes.slice(range.offset, range.offset + range.length);
  const digest = await hasher.digest(algorithm, large, live());
  expect(digest).toBe(await hasher.digest(algorithm, held, live()));
  if (algorithm === 'md5') expect(digest).toBe(createHash('md5').update(held).digest('hex'));
  const reason = new Error('enough');
  await expect(hasher.digest(algorithm, large, AbortSignal.abort(reason))).rejects.toBe(reason);
  await source.close?.();
});

const dispatcher = new Agent();
afterAll(() => dispatcher.destroy());

describe.each([
  ['node:http', createHttpTransport()],
  ['a dispatcher of undici', createDispatcherTransport(dispatcher)],
])('sent by %s', (_name, transport) => {
  const bytes = patternBytes(5 * MIB + 123);
  let url: string;
  /** What has arrived whole. */
  const arrived: Buffer[] = [];
  /** Bodies are held up where they begin, until told to go on. */
  let gate: EventEmitter | undefined;
  const close = (): { readonly begun: Promise<unknown>; open(): void } => {
    const closed = new EventEmitter();
    gate = closed;
    const open = (): void => {
      gate = undefined;
      closed.emit('open');
    };
    return { begun: once(closed, 'begun'), open };
  };
  const server = createServer(async (request, response) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        gate?.emit('begun');
        if (gate) await once(gate, 'open');
      }
      arrived.push(Buffer.concat(chunks));
      response.end('{}');
    } catch {
      // Broken off.
    }
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => server.close());

  const requestOf = (body: Content, form: boolean): WireRequest<Content> => ({
    method: form ? 'POST' : 'PUT',
    url,
    ...(form && { fields: [['op', 'upload_slice_data']] }),
    content: { name: 'filecontent', body, sizeBytes: body.length },
  });
  const contextOf = (sent: number[] = [], signal = live()): SendContext => ({
    signal,
    connectMs: 5_000,
    onConnected() {},
    onSent: (totalBytes) => void sent.push(totalBytes),
  });

  test.each([true, false])('arrives byte for byte, and again for a retry (as a form: %s)', async (form) => {
    const source = await open(bytes);
    const range = { offset: 77, length: 5 * MIB };
    const content = await source.slice(range, live());
    arrived.length = 0;
    for (let round = 0; round < 2; round += 1) {
      const sent: number[] = [];
      const { status } = await transport.send(requestOf(content, form), contextOf(sent));
      expect(status).toBe(200);
      expect(sent.at(-1)).toBe(range.length);
      expect([...sent].sort((one, other) => one - other)).toEqual(sent);
    }
    const expected = bytes.subarray(range.offset, range.offset + range.length);
    expect(arrived).toHaveLength(2);
    for (const body of arrived) {
      if (form) expect(body.includes(Buffer.from(expected))).toBe(true);
      else expect(body.equals(expected)).toBe(true);
    }
    await source.close?.();
  });

  test('a file that changes on the way breaks it off, with the reason', async () => {
    // More than sockets and their buffers hold.
    const sizeBytes = 64 * MIB;
    const source = await open(bytes, { sizeBytes });
    const content = await source.slice({ offset: 0, length: sizeBytes }, live());
    arrived.length = 0;
    const held = close();
    const sending = transport.send(requestOf(content, false), contextOf()).catch((error) => error);
    await held.begun;
    await new Promise((resolve) => setTimeout(resolve, RECENT_MS));
    await writeFile(source.file, 'x', { flag: 'r+' });
    held.open();
    expect(await sending).toMatchObject({ code: 'source-changed' });
    expect(arrived).toEqual([]);
    await source.close?.();
  });

  test('is ended by an abort, and its source closes', async () => {
    const source = await open(bytes);
    const content = await source.slice({ offset: 0, length: bytes.length }, live());
    const controller = new AbortController();
    const reason = new Error('enough');
    const held = close();
    const sending = transport.send(requestOf(content, false), contextOf([], controller.signal)).catch((error) => error);
    await held.begun;
    controller.abort(reason);
    expect(await sending).toBe(reason);
    await source.close?.();
    held.open();
  });
});

test('a disk that hangs is told as that, before the server is taken to hang', async () => {
  const source = await open(patternBytes(5000));
  const content = await source.slice({ offset: 0, length: 5000 }, live());
  const hanging = vi.spyOn(fs, 'read').mockImplementation(() => {});
  syncBuiltinESMExports();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const reading = read(content).catch((error) => error);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await reading).toMatchObject({ code: 'source-unreadable', remedy: 'backoff' });
    expect(hanging).toHaveBeenCalled();
  } finally {
    vi.useRealTimers();
    hanging.mockRestore();
    syncBuiltinESMExports();
  }
  await source.close?.();
});

test('content decides where times have moved, also of slices that were read as they went', async () => {
  const bytes = patternBytes(50_000);
  const hasher = createHasher();
  for (const changes of [false, true]) {
    const source = await open(bytes, { contentDecides: true });
    for (const range of [
      { offset: 0, length: 30_000 },
      { offset: 30_000, length: 20_000 },
    ]) {
      const content = await source.slice(range, live());
      await hasher.digest('md5', content, live());
      await read(content);
      source.stored?.(range);
    }
    await writeFile(source.file, changes ? Buffer.from(bytes.slice().fill(1, 40_000)) : bytes);
    await new Promise((resolve) => setTimeout(resolve, RECENT_MS));
    const verified = source.verify?.().then(
      () => 'the same',
      (error) => error.code,
    );
    expect(await verified).toBe(changes ? 'source-changed' : 'the same');
    await source.close?.();
  }
});
