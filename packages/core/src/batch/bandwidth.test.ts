import { expect, test } from 'vitest';
import { createManualClock } from '../testing/manual-clock.ts';
import { createBandwidth } from './bandwidth.ts';

const never = new AbortController().signal;

/** When each of so many pieces may go, in ms. */
async function timesOf(rate: number, pieces: readonly number[], change?: (index: number) => number | undefined) {
  const clock = createManualClock();
  const bandwidth = createBandwidth(rate, clock);
  const startMs = clock.monotonicMs();
  const times: number[] = [];
  const all = (async () => {
    for (const [index, bytes] of pieces.entries()) {
      await bandwidth.take(bytes, never);
      times.push(Math.round(clock.monotonicMs() - startMs));
      const next = change?.(index);
      if (next !== undefined) bandwidth.bytesPerSecond = next;
    }
  })();
  await clock.runUntil(all);
  return times;
}

test('what was taken has to have its time before more may go', async () => {
  expect(await timesOf(1000, [100, 100, 500, 100, 1])).toEqual([0, 100, 200, 700, 800]);
});

test('a rate that is changed counts at once, also for those who wait', async () => {
  const times = await timesOf(1000, [1000, 1000, 1000], (index) => (index === 0 ? 10_000 : Number.POSITIVE_INFINITY));
  expect(times).toEqual([0, 100, 100]);
});

test('time in which nothing was taken is not made up for', async () => {
  const clock = createManualClock();
  const bandwidth = createBandwidth(1000, clock);
  await bandwidth.take(100, never);
  await clock.runUntil(clock.sleep(10_000, never));
  const startMs = clock.monotonicMs();
  await clock.runUntil(Promise.all([1, 2, 3].map(() => bandwidth.take(100, never))));
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(200);
});

test('whoever gives up holds up nobody, and takes nothing', async () => {
  const clock = createManualClock();
  const bandwidth = createBandwidth(1000, clock);
  const startMs = clock.monotonicMs();
  await bandwidth.take(1000, never);
  const controller = new AbortController();
  const given = bandwidth.take(1_000_000, controller.signal).catch((reason) => reason);
  const next = bandwidth.take(1, never);
  controller.abort('enough');
  expect(await clock.runUntil(given)).toBe('enough');
  await clock.runUntil(next);
  expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(1_200);
});

test.each([0, -1, Number.NaN, undefined as never])('%s is no rate', (rate) => {
  expect(() => createBandwidth(rate)).toThrow('more than 0');
});
