import { PassThrough, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ByteRange, Source } from '@cos-slice/core';
import { patternBytes, sourceContract } from '@cos-slice/core/testing';
import { describe, expect, test } from 'vitest';
import { createStreamSource } from './source-stream.ts';

const SLICE = 65_536;
const BYTES = patternBytes(5 * SLICE + 100);
const live = (): AbortSignal => new AbortController().signal;
const range = (index: number): ByteRange => ({
  offset: index * SLICE,
  length: Math.min(SLICE, BYTES.length - index * SLICE),
});
const equal = (content: Uint8Array, { offset, length }: ByteRange): boolean =>
  Buffer.compare(content, BYTES.subarray(offset, offset + length)) === 0;

/** In chunks that fit no slice. */
function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
}
const webStream = (bytes: Uint8Array): ReadableStream<Uint8Array> => {
  const chunks = chunksOf(bytes);
  return new ReadableStream({
    pull(controller) {
      const { done, value } = chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
};

for (const [kind, make] of [
  ['Readable', (bytes: Uint8Array) => Readable.from(chunksOf(bytes))],
  ['ReadableStream', webStream],
] as const) {
  describe(`contract, ${kind}`, () => {
    for (const { name, run } of sourceContract<Uint8Array>()) {
      test(name, () =>
        run(async (bytes) => ({
          source: createStreamSource(make(bytes), bytes.length),
          read: async (content) => content,
        })),
      );
    }
  });

  describe(`a stream of another length than announced, ${kind}`, () => {
    const readAll = async (source: Source<Uint8Array>): Promise<unknown> => {
      try {
        for (let offset = 0; offset < source.sizeBytes; offset += SLICE) {
          await source.slice({ offset, length: Math.min(SLICE, source.sizeBytes - offset) }, live());
        }
        return undefined;
      } catch (error) {
        return error;
      }
    };

    test('too short', async () => {
      expect(await readAll(createStreamSource(make(BYTES), BYTES.length + 1))).toMatchObject({
        code: 'source-changed',
        message: `the stream ended after ${BYTES.length} of ${BYTES.length + 1} bytes: give its true size`,
      });
    });

    test('too long', async () => {
      expect(await readAll(createStreamSource(make(BYTES), BYTES.length - 1))).toMatchObject({
        code: 'source-changed',
        message: `the stream has more than ${BYTES.length - 1} bytes: give its true size`,
      });
    });
  });
}

test('a stored slice is gone, the others stay', async () => {
  const source = createStreamSource(Readable.from(chunksOf(BYTES)), BYTES.length);
  await Promise.all([0, 1, 2].map((index) => source.slice(range(index), live())));
  source.stored?.(range(1));
  await expect(source.slice(range(1), live())).rejects.toMatchObject({ code: 'source-not-replayable', remedy: 'none' });
  expect(equal(await source.slice(range(0), live()), range(0))).toBe(true);
  expect(equal(await source.slice(range(2), live()), range(2))).toBe(true);
});

test('as many buffers are used as slices are under way', async () => {
  const source = createStreamSource(Readable.from(chunksOf(BYTES)), BYTES.length);
  const buffers = new Set<unknown>();
  for (let index = 0; index < 5; index += 1) {
    const content = await source.slice(range(index), live());
    const again = await source.slice(range(index), live());
    buffers.add(content.buffer);
    source.stored?.(range(index));
    source.release?.(content);
    expect(equal(again, range(index))).toBe(true);
    source.release?.(again);
  }
  expect(buffers.size).toBe(1);
});

test('slices asked out of order arrive', async () => {
  const source = createStreamSource(Readable.from(chunksOf(BYTES)), BYTES.length);
  expect(equal(await source.slice(range(3), live()), range(3))).toBe(true);
  expect(equal(await source.slice(range(1), live()), range(1))).toBe(true);
});

test('slices of another size are cut from what is kept', async () => {
  const source = createStreamSource(Readable.from(chunksOf(BYTES)), BYTES.length);
  await Promise.all([0, 1].map((index) => source.slice(range(index), live())));
  const across = { offset: SLICE - 10, length: 2 * SLICE };
  expect(equal(await source.slice(across, live()), across)).toBe(true);
});

test('reads no further than it is asked to', async () => {
  let yielded = 0;
  const endless = Readable.from(
    (function* () {
      for (;;) {
        yielded += 1;
        yield new Uint8Array(SLICE);
      }
    })(),
    { highWaterMark: 2 },
  );
  const source = createStreamSource(endless, 1000 * SLICE);
  await source.slice({ offset: 0, length: SLICE }, live());
  await delay(50);
  expect(yielded).toBeLessThan(10);
  await source.close?.();
});

test('an aborted wait rejects at once and loses no bytes', async () => {
  const stream = new PassThrough();
  const source = createStreamSource(stream, BYTES.length);
  const controller = new AbortController();
  const waiting = source.slice(range(0), controller.signal);
  const reason = new Error('paused');
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  stream.end(BYTES);
  expect(equal(await source.slice(range(1), live()), range(1))).toBe(true);
  expect(equal(await source.slice(range(0), live()), range(0))).toBe(true);
});

test('failures of the stream are typed, before reading and in the middle', async () => {
  const early = new PassThrough();
  const source = createStreamSource(early, 10);
  early.destroy(new Error('tap closed'));
  await delay(5);
  await expect(source.slice({ offset: 0, length: 10 }, live())).rejects.toMatchObject({
    code: 'source-unreadable',
    message: expect.stringContaining('tap closed'),
  });

  const late = new PassThrough();
  const second = createStreamSource(late, 20);
  late.write('0123456789');
  await second.slice({ offset: 0, length: 10 }, live());
  late.destroy(new Error('tap closed'));
  await expect(second.slice({ offset: 10, length: 10 }, live())).rejects.toMatchObject({
    message: 'the stream failed after 10 of 20 bytes: tap closed',
  });
});

test('a stream of text is refused', async () => {
  const source = createStreamSource(Readable.from(['some', 'text']), 8);
  await expect(source.slice({ offset: 0, length: 8 }, live())).rejects.toMatchObject({ code: 'source-unreadable' });
});

test('closing destroys a Readable and cancels a ReadableStream, even while they are read', async () => {
  const readable = new PassThrough();
  const source = createStreamSource(readable, 10);
  source.slice({ offset: 0, length: 10 }, live()).catch(() => {});
  await source.close?.();
  expect(readable.destroyed).toBe(true);

  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    cancel() {
      cancelled = true;
    },
  });
  const web = createStreamSource(stream, 10);
  web.slice({ offset: 0, length: 10 }, live()).catch(() => {});
  await web.close?.();
  expect(cancelled).toBe(true);
});
