import { describe, expect, test } from 'vitest';
import { createLimiter } from './limiter.ts';

const NEUTRAL = { outcome: 'neutral', bytes: 0 } as const;
const free = new AbortController().signal;

describe('the limiter', () => {
  test('serves first come, first served', async () => {
    const limiter = createLimiter(1);
    const order: number[] = [];
    const leave = await limiter.acquire(free);
    const waiting = [1, 2, 3].map(async (index) => {
      const done = await limiter.acquire(free);
      order.push(index);
      done(NEUTRAL);
    });
    leave(NEUTRAL);
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });

  test.each([0, -1, Number.NaN, { min: 0, max: 4 }, { min: 5, max: 1 }, { min: 1 } as never, 'x' as never])(
    'refuses bounds of %j, which would let nobody in',
    (bounds) => {
      expect(() => createLimiter(bounds)).toThrow(expect.objectContaining({ code: 'invalid-options' }));
      const limiter = createLimiter(2);
      expect(() => limiter.resize(bounds)).toThrow(/1 <= min <= max/);
      expect(limiter.limit).toBe(2);
    },
  );

  test('forgets who stopped waiting', async () => {
    const limiter = createLimiter(1);
    const leave = await limiter.acquire(free);
    const controller = new AbortController();
    const gone = limiter.acquire(controller.signal);
    const next = limiter.acquire(free);
    controller.abort('gone');
    await expect(gone).rejects.toBe('gone');
    leave(NEUTRAL);
    (await next)(NEUTRAL);
    await expect(limiter.acquire(AbortSignal.abort('late'))).rejects.toBe('late');
  });

  test('a place can be given back once', async () => {
    const limiter = createLimiter(1);
    const first = await limiter.acquire(free);
    first(NEUTRAL);
    first(NEUTRAL);
    await limiter.acquire(free);
    let entered = false;
    void limiter.acquire(free).then(() => {
      entered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(entered).toBe(false);
  });

  test('resizing lets in at once who fits, and tells its listeners', async () => {
    const limiter = createLimiter(1);
    await limiter.acquire(free);
    const second = limiter.acquire(free);
    let told = 0;
    const stop = limiter.subscribe(() => {
      told += 1;
    });
    limiter.resize(2);
    await second;
    expect(limiter.limit).toBe(2);
    expect(told).toBe(1);
    stop();
    limiter.resize(3);
    expect(told).toBe(1);
  });
});
