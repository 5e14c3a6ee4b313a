import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AttemptReport } from '../ports.ts';
import { createLimiter } from './limiter.ts';

const OK: AttemptReport = { outcome: 'ok', bytes: 1 };
const free = new AbortController().signal;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('memory for what is under way', () => {
  test('what does not fit waits until there is room, although there are places', async () => {
    const limiter = createLimiter(8, { maxMemory: 100 });
    const first = await limiter.acquire(free, {}, 60);
    let entered = false;
    const second = limiter.acquire(free, {}, 60).then((leave) => {
      entered = true;
      return leave;
    });
    await settle();
    expect(entered).toBe(false);
    first(OK);
    (await second)(OK);
  });

  test('what is larger than all there is goes alone', async () => {
    const limiter = createLimiter(8, { maxMemory: 100 });
    const order: string[] = [];
    const small = await limiter.acquire(free, {}, 10);
    const large = limiter.acquire(free, {}, 1000).then((leave) => {
      order.push('large');
      return leave;
    });
    const next = limiter.acquire(free, {}, 10).then((leave) => {
      order.push('next');
      return leave;
    });
    await settle();
    // The small one would fit, but then the large one could wait for ever.
    expect(order).toEqual([]);
    small(OK);
    const leave = await large;
    await settle();
    expect(order).toEqual(['large']);
    leave(OK);
    await next;
  });

  test('what needs none is not held up by what waits for it', async () => {
    const limiter = createLimiter(2, { maxMemory: 100 });
    const owner = {};
    await limiter.acquire(free, owner, 100);
    const waiting = new AbortController();
    const slice = limiter.acquire(waiting.signal, {}, 100);
    const list = await limiter.acquire(free, owner);
    list(OK);
    waiting.abort('enough');
    await expect(slice).rejects.toBe('enough');
  });

  test('whoever gives up waiting lets those in that waited behind it', async () => {
    const limiter = createLimiter(8, { maxMemory: 100 });
    await limiter.acquire(free, {}, 50);
    const controller = new AbortController();
    const large = limiter.acquire(controller.signal, {}, 80);
    const small = limiter.acquire(free, {}, 50);
    controller.abort('gone');
    await expect(large).rejects.toBe('gone');
    await small;
  });

  test('more of it lets in at once who fits', async () => {
    const limiter = createLimiter(8, { maxMemory: 100 });
    await limiter.acquire(free, {}, 100);
    const second = limiter.acquire(free, {}, 100);
    limiter.maxMemory = 200;
    await second;
    expect(limiter.maxMemory).toBe(200);
  });

  test('no memory at all is refused', () => {
    for (const maxMemory of [0, -1, Number.NaN]) {
      expect(() => createLimiter(1, { maxMemory })).toThrow(expect.objectContaining({ code: 'invalid-options' }));
    }
    const limiter = createLimiter(1);
    expect(() => {
      limiter.maxMemory = 0;
    }).toThrow(/maxMemory/);
    expect(limiter.maxMemory).toBe(128 * 1024 ** 2);
  });

  test('is never exceeded, and everybody has their turn, however sizes, places, failures and second thoughts fall', async () => {
    const piece = fc.record({
      owner: fc.nat(4),
      bytes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 90, max: 300 })),
      startsAt: fc.nat(40),
      takes: fc.nat(6),
      givesUpAfter: fc.option(fc.nat(10), { freq: 4 }),
      outcome: fc.constantFrom('ok' as const, 'busy' as const, 'failed' as const, 'neutral' as const),
    });
    const bounds = fc.record({ min: fc.integer({ min: 1, max: 3 }), more: fc.nat(8) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 60 }),
        fc.integer({ min: 1, max: 200 }),
        bounds,
        async (pieces, maxMemory, { min, more }) => {
          let step = 0;
          const limiter = createLimiter({ min, max: min + more }, { maxMemory, nowMs: () => step });
          const owners = Array.from({ length: 5 }, () => ({}));
          let [held, heldBytes, ended] = [0, 0, 0];
          const due: { at: number; act: () => void }[] = [];
          const one = async ({
            owner,
            bytes,
            takes,
            givesUpAfter,
            outcome,
          }: (typeof pieces)[number]): Promise<void> => {
            const controller = new AbortController();
            if (givesUpAfter !== null) due.push({ at: step + givesUpAfter, act: () => controller.abort('gone') });
            const leave = await limiter.acquire(controller.signal, owners[owner], bytes).catch(() => undefined);
            if (!leave) return;
            if (bytes > 0) held += 1;
            heldBytes += bytes;
            expect(held <= 1 || heldBytes <= maxMemory).toBe(true);
            await new Promise<void>((resolve) => due.push({ at: step + takes, act: resolve }));
            if (bytes > 0) held -= 1;
            heldBytes -= bytes;
            leave({ outcome, bytes });
          };
          for (const each of pieces) {
            const act = (): void => void one(each).then(() => (ended += 1));
            due.push({ at: each.startsAt, act });
          }
          for (let idle = 0; ended < pieces.length && idle < 5; step += 1) {
            const now = due.filter(({ at }) => at <= step);
            for (const each of now) due.splice(due.indexOf(each), 1);
            for (const { act } of now) act();
            // Whatever came of it has come when the microtasks have run.
            for (let turn = 0; turn < 12; turn += 1) await Promise.resolve();
            idle = due.length === 0 ? idle + 1 : 0;
          }
          expect({ ended, held, heldBytes }).toEqual({ ended: pieces.length, held: 0, heldBytes: 0 });
        },
      ),
      { numRuns: 400, seed: Number(process.env.SEED ?? 13) },
    );
  });
});
