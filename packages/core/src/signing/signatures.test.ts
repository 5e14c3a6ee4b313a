import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Signer } from '../ports.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { createSigner } from './create-signer.ts';
import { remoteSigner } from './remote-signer.ts';
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

test('a signer that does not answer in time is given up and asked again', async () => {
  const clock = createManualClock();
  const { signal: life } = new AbortController();
  let asked = 0;
  const second = createSigner({ appId: '1', bucket: 'b', secretId: 'i', secretKey: 'k' });
  const signer: Signer = {
    sign: (claim, signal) => {
      asked += 1;
      return asked === 1 ? silent.sign(claim, signal) : second.sign(claim, signal);
    },
  };
  const shared = remoteSigner({
    url: 'http://sign.test',
    // What the application's endpoint does with the first request: nothing.
    fetch: async (_url, init) => {
      const claim = JSON.parse(String(init?.body));
      return Response.json({ signature: await signer.sign(claim, init?.signal as AbortSignal) });
    },
  });
  const signatures = createSignatures(shared, CLAIM, { clock, life, timeoutMs: 1000 });
  const first = signatures.get('multi', life);
  await clock.settle();
  const elsewhere = shared.sign({ ...CLAIM, effect: 'multi', nowSec: 1 }, life);
  await expect(clock.runUntil(first)).rejects.toMatchObject({ code: 'signing-failed', remedy: 'backoff' });
  expect(await signatures.get('multi', life)).toMatch(/^[\w+/=]+$/);
  expect(await elsewhere, 'who waits with the one who gave up').toMatch(/^[\w+/=]+$/);
});
