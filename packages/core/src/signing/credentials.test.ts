import { describe, expect, test } from 'vitest';
import type { Credentials } from '../ports.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { keepCredentials } from './credentials.ts';

const NEVER = new AbortController().signal;

function setUp(lifeSec: number | undefined, more: Partial<Credentials> = {}) {
  const clock = createManualClock();
  let asked = 0;
  const nowSec = (): number => Math.floor(clock.nowMs() / 1000);
  const kept = keepCredentials(
    {
      credentials: async () => {
        asked += 1;
        const expiresAtSec = lifeSec === undefined ? undefined : nowSec() + lifeSec;
        return { secretId: `ID${asked}`, secretKey: 'KEY', token: 'TOKEN', expiresAtSec, ...more };
      },
    },
    { clock, timeoutMs: 1000 },
  );
  return {
    clock,
    get: (refused?: string) => kept.get(nowSec(), refused, NEVER),
    get asked() {
      return asked;
    },
  };
}

describe('temporary credentials', () => {
  test('are asked for once however many want them, and anew shortly before they end', async () => {
    const one = setUp(1800);
    await Promise.all(Array.from({ length: 20 }, () => one.get()));
    await one.clock.advance(1_700_000);
    await one.get();
    expect(one.asked).toBe(1);
    await one.clock.advance(60_000);
    expect(await one.get()).toMatchObject({ secretId: 'ID2' });
    expect(one.asked).toBe(2);
  });

  test('are asked for anew when a server refuses what was signed with them, once for each refusal', async () => {
    const one = setUp(1800);
    await one.get();
    for (let again = 0; again < 3; again += 1) await one.get('q-ak=ID1&q-signature=x');
    expect(one.asked).toBe(2);
    await one.get('Credential=ID2/20130524');
    expect(one.asked).toBe(3);
  });

  test('live as long by a clock of ours that is wrong, when it is told when they began', async () => {
    const startsAtSec = 1_000_000_000;
    const one = setUp(undefined, { startsAtSec, expiresAtSec: startsAtSec + 1800 });
    await one.get();
    await one.clock.advance(1_700_000);
    await one.get();
    expect(one.asked).toBe(1);
  });

  test.each([
    ['no key', { secretKey: '' }],
    ['an id that ends the header', { secretId: 'ID\r\nX: 1' }],
    ['a token that ends the header', { token: 'a\nb' }],
    ['a date for an end', { expiresAtSec: '2030-01-01' as unknown as number }],
  ])('with %s are refused by name', async (_name, more) => {
    await expect(setUp(1800, more).get()).rejects.toMatchObject({
      code: 'signing-failed',
      message: expect.stringMatching(/^the credentials provider must return \{ secretId, secretKey \}/),
    });
  });
});

test('credentials that stay what they are, are not asked for', async () => {
  const given = { secretId: 'ID', secretKey: 'KEY' };
  const kept = keepCredentials(given, { clock: createManualClock(), timeoutMs: 1 });
  expect(await kept.get(0, 'q-ak=ID', NEVER)).toBe(given);
});
