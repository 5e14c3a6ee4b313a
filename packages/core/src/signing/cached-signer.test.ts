import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { SignClaim, Signer } from '../ports.ts';
import { createManualClock, type ManualClock } from '../testing/manual-clock.ts';
import { type CachedSigner, cachedSigner } from './cached-signer.ts';
import { remoteSigner } from './remote-signer.ts';
import { signatureText } from './signature.ts';

const CLAIM: SignClaim = { appId: '1', bucket: 'b', path: 'p', effect: 'multi', nowSec: 1_600_000_000 };
const NEVER = new AbortController().signal;

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

/** Answers never, and gives up when aborted. */
const silent: Signer = {
  sign: (_claim, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
};

/** As a service makes it whose clock says `nowSec`. */
function signature(nowSec: number, lifeSec: number, serial: number): string {
  const fields = { appId: '1', bucket: 'b', secretId: 'k', fileId: '', random: serial };
  const text = signatureText({ ...fields, nowSec, expiresAtSec: lifeSec && nowSec + lifeSec });
  return Buffer.concat([Buffer.alloc(20), Buffer.from(text)]).toString('base64');
}

function setUp(lifeSec = 600, skewSec = 0): { signer: CachedSigner; clock: ManualClock; claims: SignClaim[] } {
  const clock = createManualClock();
  const claims: SignClaim[] = [];
  const signer = cachedSigner(
    {
      sign: async (claim) => {
        claims.push(claim);
        return signature(Math.floor(clock.nowMs() / 1000) + skewSec, lifeSec, claims.length);
      },
    },
    { clock, timeoutMs: 1000 },
  );
  return { signer, clock, claims };
}

describe('what is kept', () => {
  test('is asked for once however many ask, and again shortly before the end (cos-js-sdk-v5#142)', async () => {
    const { signer, clock } = setUp();
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(CLAIM, new AbortController().signal)));
    await clock.advance(500_000);
    await signer.sign(CLAIM, NEVER);
    expect(signer.asked).toBe(1);
    await clock.advance(50_000);
    await signer.sign(CLAIM, NEVER);
    expect(signer.asked).toBe(2);
    await signer.sign({ ...CLAIM, path: 'other' }, NEVER);
    expect(signer.asked).toBe(3);
  });

  test.each([
    ['two hours behind', -7200],
    ['a year ahead', 365 * 86_400],
  ])('lives as long when the signing service has a clock that is %s of ours', async (_name, skewSec) => {
    const { signer, clock } = setUp(600, skewSec);
    for (let slice = 0; slice < 100; slice += 1) {
      await signer.sign(CLAIM, NEVER);
      await clock.advance(3000);
    }
    expect(signer.asked).toBe(1);
  });

  test('lives as long when our own clock is set forward or back', async () => {
    const { signer, clock } = setUp();
    await signer.sign(CLAIM, NEVER);
    for (const byMs of [86_400_000, -2 * 86_400_000]) {
      clock.jump(byMs);
      await signer.sign(CLAIM, NEVER);
    }
    expect(signer.asked).toBe(1);
    await clock.advance(600_000);
    await signer.sign(CLAIM, NEVER);
    expect(signer.asked).toBe(2);
  });

  test('is not what the server has refused, nor what is for one use', async () => {
    const { signer, claims } = setUp();
    const first = await signer.sign(CLAIM, NEVER);
    expect(await signer.sign({ ...CLAIM, refused: first }, NEVER)).not.toBe(first);
    expect(claims[1]?.refused).toBe(first);
    await signer.sign({ ...CLAIM, effect: 'once' }, NEVER);
    await signer.sign({ ...CLAIM, effect: 'once' }, NEVER);
    expect(signer.asked).toBe(4);
  });
});

describe('whoever gives up', () => {
  test('leaves no failure that nobody handles', async () => {
    for (const abortedAtOnce of [true, false]) {
      const asking = new AbortController();
      if (abortedAtOnce) asking.abort('gone');
      const signer = cachedSigner(silent, { clock: createManualClock(), timeoutMs: 1000 });
      const waiting = expect(signer.sign(CLAIM, asking.signal)).rejects.toBe('gone');
      asking.abort('gone');
      await waiting;
      await expect(signer.sign({ ...CLAIM, effect: 'once' }, AbortSignal.abort('over'))).rejects.toBe('over');
    }
  });

  test('does not take the signature from those who wait with him; the last one ends the request', async () => {
    const clock = createManualClock();
    let ended: unknown;
    let answer: (signature: string) => void = () => {};
    const signer = cachedSigner(
      {
        sign: (_claim, signal) =>
          new Promise((resolve, reject) => {
            answer = resolve;
            signal.addEventListener('abort', () => {
              ended = signal.reason;
              reject(signal.reason);
            });
          }),
      },
      { clock, timeoutMs: 1000 },
    );
    const first = new AbortController();
    const givenUp = expect(signer.sign(CLAIM, first.signal)).rejects.toBe('enough');
    const patient = signer.sign(CLAIM, NEVER);
    first.abort('enough');
    await givenUp;
    answer(signature(1, 600, 1));
    expect(await patient).toBe(signature(1, 600, 1));
    expect(signer.asked).toBe(1);

    const last = new AbortController();
    const nobody = expect(signer.sign({ ...CLAIM, path: 'q' }, last.signal)).rejects.toBe('enough');
    last.abort('enough');
    await nobody;
    await clock.settle();
    expect(ended).toBe('enough');
  });
});

describe('a signer that', () => {
  test('does not answer in time is given up and asked again', async () => {
    const clock = createManualClock();
    let asked = 0;
    const shared = remoteSigner({
      url: 'http://sign.test',
      timeoutMs: 100,
      // What the application's endpoint does with the first request: nothing.
      fetch: async (_url, init) => {
        asked += 1;
        if (asked === 1) await silent.sign(CLAIM, init?.signal as AbortSignal);
        return Response.json({ signature: signature(1, 600, 1) });
      },
    });
    const signer = cachedSigner(shared, { clock, timeoutMs: 1000 });
    const first = signer.sign(CLAIM, NEVER);
    await clock.settle();
    const elsewhere = expect(shared.sign(CLAIM, NEVER), 'who waits with the one who gave up').rejects.toMatchObject({
      code: 'signing-failed',
      remedy: 'backoff',
    });
    await expect(clock.runUntil(first)).rejects.toMatchObject({ code: 'signing-failed', remedy: 'backoff' });
    await elsewhere;
    expect(await signer.sign(CLAIM, NEVER)).toBe(signature(1, 600, 1));
  });

  test.each([
    ['throws at once', () => assert(new TypeError('no key')), 'the signer failed: no key'],
    ['throws a typed error at once', () => assert(new CosSliceError('signing-failed', 'ask later')), 'ask later'],
    ['rejects', () => Promise.reject(new Error('no key')), 'the signer failed: no key'],
    ['returns nothing', () => undefined, 'the signer must return the signature as base64 text'],
    ['returns a header of its own', () => 'c2ln\r\nX: 1', 'the signer must return the signature as base64 text'],
  ])('%s is a typed error', async (_name, sign, message) => {
    const signer = cachedSigner({ sign: sign as Signer['sign'] }, { clock: createManualClock(), timeoutMs: 1000 });
    await expect(signer.sign(CLAIM, NEVER)).rejects.toMatchObject({ code: 'signing-failed', message });
    await expect(signer.sign({ ...CLAIM, effect: 'once' }, NEVER)).rejects.toMatchObject({ message });
  });
});

function assert(error: Error): never {
  throw error;
}
