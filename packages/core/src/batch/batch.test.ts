import { describe, expect, test } from 'vitest';
import type { ByteRange, Source } from '../ports.ts';
import { happy, SLICE, setUp } from '../testing/setting.ts';
import type { Upload } from '../upload/upload.ts';
import { createBatch } from './batch.ts';
import { createLimiter } from './limiter.ts';
import { createSeats, nextToEnter } from './seats.ts';

/** Uploads whose sources count how many of them are open. */
function counted({ size = SLICE, slow = 0 } = {}) {
  const setting = setUp({
    size,
    answer: async ({ fields, context }) => {
      await setting.clock.sleep(slow, context.signal);
      return happy({ fields });
    },
  });
  const files = { open: 0, most: 0, order: [] as string[] };
  const openSource = (name: string) => async (): Promise<Source<ByteRange>> => {
    files.open += 1;
    files.most = Math.max(files.most, files.open);
    files.order.push(name);
    return {
      ...setting.source,
      close: async () => {
        files.open -= 1;
      },
    };
  };
  return { ...setting, files, openSource };
}

describe('uploads that share a limiter', () => {
  test('open no more sources than there are places, however many there are', async () => {
    const { clock, open, files, openSource } = counted();
    const concurrency = createLimiter(8);
    const uploads = Array.from({ length: 2000 }, (_, index) =>
      open(openSource(`${index}`), { concurrency, path: `${index}` }),
    );
    await clock.runUntil(Promise.all(uploads.map(({ done }) => done)));
    expect(files).toMatchObject({ open: 0, most: 8 });
    expect(files.order).toEqual(uploads.map((_, index) => `${index}`));
  });

  test('say that they wait, and end at once when they are cancelled', async () => {
    const { clock, open, files, openSource } = counted({ slow: 10_000 });
    const concurrency = createLimiter(1);
    const first = open(openSource('first'), { concurrency, path: 'first' });
    const controller = new AbortController();
    const second = open(openSource('second'), { concurrency, path: 'second', signal: controller.signal });
    await clock.settle();
    expect(second.state.waitingFor).toBe('place');
    controller.abort('enough');
    await expect(clock.runUntil(second.done)).rejects.toBe('enough');
    await clock.runUntil(first.done);
    expect(files.order).toEqual(['first']);
  });

  test('are fair: a small file does not wait for all the slices of a large one', async () => {
    const { clock, open, openSource, transport } = counted({ size: 100 * SLICE, slow: 1_000 });
    const concurrency = createLimiter(4);
    const large = open(openSource('large'), { concurrency, path: 'large' });
    await clock.advance(10_500);
    const small = open(async () => ({ sizeBytes: 1, slice: async (range) => range, identity: async () => undefined }), {
      concurrency,
      path: 'small',
    });
    const before = transport.transcript.length;
    await clock.runUntil(small.done);
    expect(transport.transcript.length - before).toBeLessThanOrEqual(9);
    await clock.runUntil(large.done);
  });

  test('that are paused lend their seats to others, and come back before those that have not begun', async () => {
    const { clock, open, openSource, files } = counted({ size: 4 * SLICE, slow: 1_000 });
    const concurrency = createLimiter(1);
    const start = (name: string): Upload => open(openSource(name), { concurrency, path: name });
    const paused = start('a');
    const [second, third] = [start('b'), start('c')];
    await clock.advance(1_500);
    paused.pause();
    await clock.advance(6_000);
    expect(files.order).toEqual(['a', 'b']);
    paused.resume();
    await clock.runUntil(second.done);
    await clock.settle();
    expect(files.order).toEqual(['a', 'b']);
    expect(paused.state.waitingFor).not.toBe('place');
    await clock.runUntil(Promise.all([paused.done, third.done]));
    expect(files.order).toEqual(['a', 'b', 'c']);
  });
});

describe('a batch', () => {
  test('is paused as a whole, without the next ones starting, and goes on', async () => {
    const { clock, open, openSource, files } = counted({ size: 4 * SLICE, slow: 1_000 });
    const batch = createBatch(2);
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) batch.add((shared) => open(openSource(name), { ...shared, path: name }));
    await clock.advance(1_500);
    batch.pause();
    await clock.advance(60_000);
    expect(files.order).toEqual(['a', 'b']);
    expect([...batch.uploads].every(({ state }) => state.paused)).toBe(true);
    batch.resume();
    await clock.runUntil(batch.settled());
    expect(files).toMatchObject({ open: 0, most: 2, order: names });
  });

  test('is cancelled as a whole, and opens nothing more', async () => {
    const { clock, open, openSource, files } = counted({ slow: 1_000 });
    const batch = createBatch(2);
    const uploads = ['a', 'b', 'c'].map((name) =>
      batch.add((shared) => open(openSource(name), { ...shared, path: name })),
    );
    await clock.advance(500);
    batch.cancel('enough');
    await clock.runUntil(batch.settled());
    expect(await Promise.all(uploads.map(({ done }) => done.catch((reason) => reason)))).toEqual(
      Array(3).fill('enough'),
    );
    expect(files).toMatchObject({ open: 0, order: ['a', 'b'] });
    const late = batch.add((shared) => open(openSource('late'), { ...shared, path: 'late' }));
    await expect(clock.runUntil(late.done)).rejects.toBe('enough');
    expect(files.order).toEqual(['a', 'b']);
  });

  test('goes on without an upload that fails, is cancelled or is paused by itself', async () => {
    const { clock, open, openSource } = counted({ slow: 1_000 });
    const batch = createBatch(1);
    const failing = batch.add((shared) =>
      open(() => Promise.reject(new Error('gone')), { ...shared, path: 'failing' }),
    );
    const held = batch.add((shared) => open(openSource('held'), { ...shared, path: 'held' }));
    held.pause();
    const good = batch.add((shared) => open(openSource('good'), { ...shared, path: 'good' }));
    await expect(clock.runUntil(failing.done)).rejects.toMatchObject({ code: 'source-unreadable' });
    await clock.runUntil(good.done);
    expect([...batch.uploads]).toEqual([held]);
    held.resume();
    await clock.runUntil(batch.settled());
  });
});

describe('seats', () => {
  const nobody = new Set<string>();

  test('go to whoever comes back, then to whoever came first, as long as there are some', () => {
    const waiting = { returning: new Set(['b']), fresh: new Set(['c', 'd']) };
    expect(nextToEnter({ seats: 2, inside: new Set(['a']), ...waiting })).toBe('b');
    expect(nextToEnter({ seats: 2, inside: new Set(['a']), ...waiting, returning: nobody })).toBe('c');
    expect(nextToEnter({ seats: 1, inside: new Set(['a']), ...waiting })).toBe(undefined);
    expect(nextToEnter({ seats: 1, inside: nobody, returning: nobody, fresh: nobody })).toBe(undefined);
  });

  test("become more or fewer, and one that leaves while entering loses nobody else's", () => {
    const seats = createSeats(1);
    const entered: string[] = [];
    const one = (name: string, leaves = false) => {
      const seated = {
        enter() {
          entered.push(name);
          if (leaves) seats.leave(seated);
        },
      };
      return seated;
    };
    const [a, b, c, d] = [one('a'), one('b', true), one('c'), one('d')];
    for (const each of [a, b, c, d]) seats.join(each);
    expect(entered).toEqual(['a']);
    seats.resize(2);
    expect(entered).toEqual(['a', 'b', 'c']);
    seats.resize(1);
    seats.leave(a);
    expect(entered).toEqual(['a', 'b', 'c']);
    seats.leave(c);
    expect(entered).toEqual(['a', 'b', 'c', 'd']);
  });
});
