import { expect, test } from 'vitest';
import type { Authorizer } from '../ports.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { createAuthorizer } from './authorizer.ts';

const REQUEST = { method: 'PUT', url: 'http://b.test/k' } as const;
const CLAIM = { appId: '-', bucket: 'b', path: 'k', effect: 'multi', nowSec: 0 } as const;

const never = () => new AbortController().signal;

function setUp(authorize: (signal: AbortSignal) => unknown) {
  const clock = createManualClock();
  const own = { authorize: (_request: unknown, _claim: unknown, signal: AbortSignal) => authorize(signal) };
  const wire = { attach: () => REQUEST };
  const authorizer = createAuthorizer(wire as never, own as unknown as Authorizer, { clock, timeoutMs: 1000 });
  return {
    clock,
    authorizer,
    ask: (signal: AbortSignal = never()) => authorizer.authorize(REQUEST, CLAIM, signal),
  };
}

test('an authorizer is asked for every request', async () => {
  const { authorizer, ask } = setUp(() => ({ ...REQUEST, authorization: { value: 'x' } }));
  expect(await ask()).toMatchObject({ authorization: { value: 'x' } });
  await ask();
  expect(authorizer.asked).toBe(2);
});

const FAILURES: readonly [name: string, authorize: () => unknown, message: RegExp, remedy: string][] = [
  ['throws', () => Promise.reject(new Error('no time')), /the authorizer failed: .*no time/, 'backoff'],
  [
    'throws at once',
    () => {
      throw new Error('no time');
    },
    /the authorizer failed: .*no time/,
    'backoff',
  ],
  ['returns no request', () => undefined, /must return the request/, 'none'],
];

test.each(FAILURES)('one that %s fails as signers do', async (_name, authorize, message, remedy) => {
  const { ask } = setUp(authorize);
  await expect(ask()).rejects.toMatchObject({
    code: 'signing-failed',
    message: expect.stringMatching(message),
    remedy,
  });
});

test('one that hangs is given up, and told so', async () => {
  let told: AbortSignal | undefined;
  const { clock, ask } = setUp((signal) => {
    told = signal;
    return new Promise(() => {});
  });
  const asked: Promise<unknown> = ask();
  await clock.advance(1000);
  await expect(asked).rejects.toMatchObject({ code: 'signing-failed', remedy: 'backoff' });
  expect(told?.aborted).toBe(true);
});

test('whoever cancels does not wait for it', async () => {
  const { ask } = setUp(() => new Promise(() => {}));
  const controller = new AbortController();
  const asked = ask(controller.signal);
  controller.abort('cancelled');
  await expect(asked).rejects.toBe('cancelled');
});
