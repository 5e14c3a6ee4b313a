import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Signer } from '../ports.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { createSignatures } from './signatures.ts';

const CLAIM = { appId: '1', bucket: 'b', path: 'p' };

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('unhandledRejection', note);
});

/** Answers never, and gives up when aborted. */
const silent: Signer = {
  sign: (_claim, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
};

test('whoever asks while being aborted leaves no failure that nobody handles', async () => {
  for (const abortedAtOnce of [true, false]) {
    const life = new AbortController();
    const asking = new AbortController();
    if (abortedAtOnce) asking.abort('gone');
    const signatures = createSignatures(silent, CLAIM, {
      clock: createManualClock(),
      life: life.signal,
      timeoutMs: 1000,
    });
    const waiting = expect(signatures.get('multi', asking.signal)).rejects.toBe('gone');
    asking.abort('gone');
    await waiting;
    life.abort('over');
    await expect(signatures.get('once', life.signal)).rejects.toBe('over');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(unhandled).toEqual([]);
});
