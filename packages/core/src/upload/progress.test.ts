import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { FOUND, happy, KEY, listed, memoryStore, ok, record, refuse, SHA, SLICE, setUp } from '../testing/setting.ts';
import { createNotifier } from './notifier.ts';
import { readMeter } from './progress.ts';
import { SLICE_IN_FLIGHT, SLICE_RETRYING, SLICE_WAITING, type UploadSnapshot } from './upload.ts';

describe('progress', () => {
  test('never falls, stays within the size, and is whole only when finish has succeeded', async () => {
    let failures = 0;
    const { start, clock } = setUp({
      answer: ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        failures += 1;
        context.onConnected();
        context.onSent(SLICE / 2);
        return failures % 3 === 0 ? new CosSliceError('network', 'reset', { remedy: 'backoff' }) : undefined;
      },
    });
    const upload = start();
    const seen: UploadSnapshot[] = [];
    upload.subscribe((state) => seen.push(state));
    await clock.runUntil(upload.done);
    const fractions = seen.map((state) => state.progress.fraction);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(seen.filter((state) => state.phase !== 'done').every((state) => state.progress.fraction < 1)).toBe(true);
    expect(seen.every((state) => state.progress.confirmedBytes <= 10 * SLICE)).toBe(true);
    expect(new Set(seen.map((state) => state.phase))).toEqual(new Set(['sending', 'finishing', 'done', 'opening']));
    expect(upload.state.progress.resentBytes).toBeGreaterThan(0);
    expect(upload.state.progress.sentBytes).toBe(10 * SLICE + upload.state.progress.resentBytes);
  });

  test('a listener that throws does not stop the upload', async () => {
    const { start, clock } = setUp({});
    const thrown: unknown[] = [];
    const onUncaught = (error: unknown): void => void thrown.push(error);
    process.on('uncaughtException', onUncaught);
    try {
      const upload = start();
      upload.subscribe(() => {
        throw new Error('listener');
      });
      await clock.runUntil(upload.done);
      await expect.poll(() => thrown.length).toBeGreaterThan(0);
    } finally {
      process.off('uncaughtException', onUncaught);
    }
  });

  test('the slice map tells waiting, in flight, stored and resumed apart', async () => {
    const store = memoryStore(new Map([[KEY, record()]]));
    const { start, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return listed([0, 9]);
        return fields.op === 'upload_slice_data' && Number(fields.offset) > SLICE ? 'hang' : undefined;
      },
    });
    const controller = new AbortController();
    const upload = start({ resume: store, signal: controller.signal });
    await clock.settle();
    expect([...upload.state.sliceMap()]).toEqual([4, 2, 1, 1, 1, 0, 0, 0, 0, 4]);

    controller.abort();
    await clock.runUntil(upload.done.catch(() => {}));
    // What was reached stays to be seen when it has ended.
    const { progress, sliceMap, phase } = upload.state;
    expect(phase).toBe('cancelled');
    expect([...sliceMap()]).toEqual([4, 2, 0, 0, 0, 0, 0, 0, 0, 4]);
    expect(progress).toMatchObject({ confirmedBytes: 3 * SLICE, resumedBytes: 2 * SLICE });
    expect(progress.slices).toEqual({ total: 10, stored: 3, inFlight: 0, retrying: 0 });
  });
});

test('the slice map tells what is tried again', async () => {
  const { start, clock } = setUp({
    answer: ({ fields }) => {
      if (fields.op !== 'upload_slice_data') return undefined;
      return Number(fields.offset) === 0 ? refuse(-71, 503, { 'retry-after': '60' }) : 'hang';
    },
  });
  const controller = new AbortController();
  const upload = start({ signal: controller.signal });
  await clock.settle();
  const map = [...upload.state.sliceMap()];
  expect(map[0]).toBe(SLICE_RETRYING);
  expect(new Set(map.slice(1))).toEqual(new Set([SLICE_WAITING, SLICE_IN_FLIGHT]));
  controller.abort();
  await clock.runUntil(upload.done.catch(() => {}));
});

describe('numbers beside each other', () => {
  /** What is shown agrees: bytes, slices and the share of both, within a slice. */
  const checkAgreement = ({ progress }: UploadSnapshot): void => {
    const { confirmedBytes, sizeBytes, fraction, slices } = progress;
    expect(slices.stored).toBe(Math.ceil(confirmedBytes / SLICE));
    expect(fraction * sizeBytes).toBeGreaterThanOrEqual(Math.min(confirmedBytes, 0.999 * sizeBytes) - 1e-6);
    expect(fraction * sizeBytes - confirmedBytes).toBeLessThanOrEqual(SLICE + 1e-6);
  };

  test('agree while a session that was lost is made up for, and never fall', async () => {
    let sessions = 0;
    const { start, clock } = setUp({
      options: { concurrency: 1 },
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_init') {
          sessions += 1;
          return ok({ session: `s${sessions}`, slice_size: SLICE });
        }
        return fields.session === 's1' && fields.offset === String(6 * SLICE) ? refuse(-197, 404) : undefined;
      },
    });
    const upload = start();
    const seen: UploadSnapshot[] = [];
    upload.subscribe((snapshot) => seen.push(snapshot));
    await clock.runUntil(upload.done);
    for (const snapshot of seen) checkAgreement(snapshot);
    for (const of of [
      (one: UploadSnapshot) => one.progress.confirmedBytes,
      (one: UploadSnapshot) => one.progress.slices.stored,
    ]) {
      expect(seen.map(of)).toEqual(seen.map(of).toSorted((a, b) => a - b));
    }
    expect(upload.state.progress).toMatchObject({ confirmedBytes: 10 * SLICE, resentBytes: 7 * SLICE });
  });

  test('agree on a slow link, where buffers take whole slices at once', async () => {
    const { start, clock } = setUp({
      options: { concurrency: 4, sliceSize: SLICE },
      answer: async ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return happy({ fields });
        context.onConnected();
        context.onSent(SLICE);
        await clock.sleep(20_000, context.signal);
        return ok({ session: 's1' });
      },
    });
    const upload = start();
    await clock.advance(10_000);
    expect(upload.state.progress).toMatchObject({ fraction: 0, confirmedBytes: 0 });
    expect(upload.state.progress.sentBytes).toBe(4 * SLICE);
    await clock.advance(10_000);
    expect(upload.state.progress).toMatchObject({ fraction: 0.4, confirmedBytes: 4 * SLICE });
    await clock.runUntil(upload.done);
  });

  test('move within a slice once its bytes have left the buffers', async () => {
    const { start, clock } = setUp({
      size: SLICE,
      answer: async ({ context }) => {
        context.onConnected();
        context.onSent(SLICE / 4);
        for (const quarter of [2, 3]) {
          await clock.sleep(1_000, context.signal);
          context.onSent((SLICE * quarter) / 4);
        }
        await clock.sleep(1_000, context.signal);
        return ok(FOUND);
      },
    });
    const upload = start();
    const fractions: number[] = [];
    for (let second = 0; second < 3; second += 1) {
      await clock.advance(500);
      fractions.push(upload.state.progress.fraction);
      await clock.advance(500);
    }
    expect(fractions).toEqual([0, 0.25, 0.5]);
    await clock.runUntil(upload.done);
  });

  test('do not count what was under way of an attempt that has failed, and how fast it was', async () => {
    let attempts = 0;
    const { start, clock } = setUp({
      size: 4 * SLICE,
      options: { concurrency: 1, retry: { baseDelayMs: 1 } },
      answer: async ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return happy({ fields });
        attempts += 1;
        context.onConnected();
        context.onSent(SLICE / 4);
        await clock.sleep(1_000, context.signal);
        if (attempts === 1) {
          context.onSent((SLICE * 3) / 4);
          await clock.sleep(1_000, context.signal);
          return new CosSliceError('network', 'reset', { remedy: 'backoff' });
        }
        context.onSent(SLICE / 2);
        await clock.sleep(10_000, context.signal);
        return happy({ fields });
      },
    });
    const upload = start();
    await clock.advance(1_500);
    // A quarter is in buffers.
    expect(upload.state.progress.fraction).toBe(0.125);
    await clock.advance(3_000);
    expect(attempts).toBe(2);
    expect(upload.state.progress.fraction).toBe(0.125);
    await clock.runUntil(upload.done);
  });

  test('tell how fast each phase is by what that phase is through with', async () => {
    const { start, clock } = setUp({
      options: { concurrency: 1, integrity: 'sha1' },
      hasher: {
        async uploadParts(_source, _size, { onProgress, signal }) {
          for (const slices of [0, 4, 8]) {
            onProgress(slices * SLICE);
            await clock.sleep(1_000, signal);
          }
          return { sha: SHA, parts: [] };
        },
      },
      answer: async ({ fields, context }) => {
        await clock.sleep(fields.op === 'upload_slice_data' ? 1_000 : 0, context.signal);
        return happy({ fields });
      },
    });
    const upload = start();
    await clock.advance(1_100);
    expect(upload.state).toMatchObject({ phase: 'hashing' });
    expect(upload.state.progress).toMatchObject({ bytesPerSecond: 4 * SLICE, hashedBytes: 4 * SLICE, etaMs: 1500 });
    await clock.advance(4_000);
    expect(upload.state).toMatchObject({ phase: 'sending' });
    expect(upload.state.progress).toMatchObject({ bytesPerSecond: SLICE, hashedBytes: 10 * SLICE });
    await clock.runUntil(upload.done);
  });

  test('are true from the first snapshot on: opening, with the size that is known', async () => {
    const { open, source, clock } = setUp({});
    const upload = open(async () => source, {}, 7 * SLICE);
    expect(upload.state.phase).toBe('opening');
    expect(upload.state.progress).toMatchObject({ sizeBytes: 7 * SLICE, fraction: 0, confirmedBytes: 0 });
    expect(upload.state.progress.slices).toEqual({ total: 7, stored: 0, inFlight: 0, retrying: 0 });
    await clock.runUntil(upload.done);
    expect(upload.state.progress.sizeBytes).toBe(10 * SLICE);
  });

  test('are not changed by looking at them', async () => {
    const { start, clock } = setUp({
      answer: async ({ fields, context }) => {
        await clock.sleep(fields.op === 'upload_slice_data' ? 1_000 : 0, context.signal);
        return happy({ fields });
      },
    });
    const looked = start({ path: 'looked' });
    const left = start({ path: 'left' });
    for (let step = 0; step < 30; step += 1) {
      await clock.advance(100);
      for (let look = 0; look < 3; look += 1) void looked.state.progress;
    }
    expect(looked.state.progress).toEqual(left.state.progress);
    await clock.runUntil(Promise.all([looked.done, left.done]));
  });
});

describe('the moving average of the speed', () => {
  const first = readMeter(undefined, 'sending', 0, 0);

  test('begins with the first quarter of a second, and is not moved by less', () => {
    expect(first.bytesPerMs).toBe(0);
    expect(readMeter(first, 'sending', 1000, 249)).toBe(first);
    expect(readMeter(first, 'sending', 1000, 250)).toEqual({ phase: 'sending', bytes: 1000, atMs: 250, bytesPerMs: 4 });
  });

  test('moves towards the present speed, the more the longer it lasts', () => {
    const second = readMeter(first, 'sending', 1000, 250);
    expect(readMeter(second, 'sending', 3000, 500).bytesPerMs).toBeCloseTo(4.32, 2);
    expect(readMeter(second, 'sending', 25_000, 3250).bytesPerMs).toBeCloseTo(6.53, 2);
    expect(readMeter(second, 'sending', 1000, 3250).bytesPerMs).toBeCloseTo(1.47, 2);
    // What is shown again after a session was lost is no speed backwards.
    expect(readMeter(second, 'sending', 0, 3250).bytesPerMs).toBeCloseTo(1.47, 2);
  });

  test('begins anew with each phase', () => {
    const second = readMeter(first, 'hashing', 1000, 250);
    expect(second).toEqual({ phase: 'hashing', bytes: 1000, atMs: 250, bytesPerMs: 0 });
  });
});

test('what changes too soon after a notification is told in the next one', async () => {
  let value = 0;
  const { notify, subscribe } = createNotifier(
    () => 0,
    () => value,
  );
  const told: number[] = [];
  subscribe((one) => told.push(one));
  for (value = 1; value <= 3; value += 1) notify(false);
  value = 3;
  expect(told).toEqual([1]);
  await expect.poll(() => told).toEqual([1, 3]);
});

test('whoever asks for nothing but progress is told of it, to the end', async () => {
  const { start, clock } = setUp({});
  const fractions: number[] = [];
  await clock.runUntil(start({ onProgress: ({ fraction }) => void fractions.push(fraction) }).done);
  expect(fractions.at(-1)).toBe(1);
  expect(fractions.length).toBeGreaterThan(2);
});
