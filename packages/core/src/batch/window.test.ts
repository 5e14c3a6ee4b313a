import { describe, expect, test } from 'vitest';
import { createWindow, reportToWindow, resizeWindow, type Window } from './window.ts';

const MIB = 1024 * 1024;

/** A link that carries so many bytes per ms however many share it, behind a round trip; answers come one after another. */
function run(
  window: Window,
  link: { bytesPerMs: number; roundTripMs: number; answers: number },
  startMs = 0,
): { window: Window; nowMs: number } {
  let next = window;
  let nowMs = startMs;
  for (let index = 0; index < link.answers; index += 1) {
    const perAnswerMs = Math.max(MIB / link.bytesPerMs, (link.roundTripMs + MIB / link.bytesPerMs) / next.limit);
    nowMs += perAnswerMs;
    next = reportToWindow(next, { outcome: 'ok', bytes: MIB }, next.limit, nowMs);
  }
  return { window: next, nowMs };
}

describe('the adaptive window', () => {
  test('grows while that pays and finds enough for a far network', () => {
    // 200 Mbit/s and 100 ms: full from 4 requests of 1 MiB on.
    const far = run(createWindow({ min: 1, max: 16 }, 0), { bytesPerMs: 25_000, roundTripMs: 100, answers: 200 });
    expect(far.window.limit).toBeGreaterThanOrEqual(4);
    // Ten times the round trip: every place pays.
    const farther = run(createWindow({ min: 1, max: 16 }, 0), { bytesPerMs: 25_000, roundTripMs: 1000, answers: 200 });
    expect(farther.window.limit).toBeGreaterThanOrEqual(14);
  });

  test('does not creep to the top where more places bring nothing', () => {
    const { window } = run(createWindow({ min: 1, max: 64 }, 0), { bytesPerMs: 25_000, roundTripMs: 0, answers: 3000 });
    expect(window.limit).toBeLessThanOrEqual(12);
  });

  test('is halved by trouble, once for everything that was in flight together', () => {
    let window = resizeWindow(createWindow({ min: 1, max: 16 }, 0), { min: 8, max: 16 });
    window = resizeWindow(window, { min: 1, max: 16 });
    expect(window.limit).toBe(8);
    for (let index = 0; index < 4; index += 1) window = reportToWindow(window, { outcome: 'busy', bytes: 0 }, 8, 10);
    expect(window.limit).toBe(4);
  });

  test('goes down to its minimum when trouble lasts, and comes back after it', () => {
    let window = createWindow({ min: 2, max: 8 }, 0);
    for (let index = 0; index < 50; index += 1)
      window = reportToWindow(window, { outcome: 'failed', bytes: 0 }, 4, index);
    expect(window.limit).toBe(2);
    const { window: after } = run(window, { bytesPerMs: 25_000, roundTripMs: 500, answers: 300 }, 100);
    expect(after.limit).toBe(8);
  });

  test('does not learn from a window that was not filled', () => {
    let window = createWindow({ min: 1, max: 16 }, 0);
    for (let index = 0; index < 100; index += 1)
      window = reportToWindow(window, { outcome: 'ok', bytes: MIB }, 1, index);
    expect(window.limit).toBe(4);
  });

  test('stays put when its bounds are one number', () => {
    const { window } = run(createWindow({ min: 3, max: 3 }, 0), { bytesPerMs: 1, roundTripMs: 1000, answers: 100 });
    expect(window.limit).toBe(3);
    expect(reportToWindow(window, { outcome: 'failed', bytes: 0 }, 3, 0).limit).toBe(3);
  });

  test('obeys new bounds at once', () => {
    const window = createWindow({ min: 1, max: 8 }, 0);
    expect(resizeWindow(window, { min: 1, max: 2 }).limit).toBe(2);
    expect(resizeWindow(window, { min: 6, max: 8 }).limit).toBe(6);
  });
});
