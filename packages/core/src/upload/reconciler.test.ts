import { expect, test } from 'vitest';
import { createManualClock } from '../testing/index.ts';
import { createReconciler } from './reconciler.ts';

interface Named {
  readonly key: string;
}

/** Work that is over when the test says so; `planned` says what should be running. */
function setUp() {
  const clock = createManualClock();
  const planned: string[] = [];
  const begun: string[] = [];
  const over: string[] = [];
  const ends = new Map<string, () => void>();
  const reconciler = createReconciler<Named, string>({
    clock,
    plan: () => planned.map((key) => ({ key })),
    run: ({ key }) => {
      begun.push(key);
      return new Promise((resolve) => ends.set(key, () => resolve(`${key} done`)));
    },
    fail: ({ key }) => `${key} stopped`,
    emit: (event) => {
      if (event) over.push(event);
      reconciler.reconcile();
    },
  });
  const plan = (...keys: string[]): void => {
    planned.splice(0, planned.length, ...keys);
    reconciler.reconcile();
  };
  const end = async (key: string): Promise<void> => {
    ends.get(key)?.();
    await clock.settle();
  };
  return { clock, reconciler, plan, end, begun, over };
}

test('what is planned runs once, and what no longer is planned is stopped', async () => {
  const { plan, end, begun, over, reconciler } = setUp();
  plan('a', 'b');
  plan('a', 'b');
  expect(begun).toEqual(['a', 'b']);
  plan('b');
  await end('a');
  expect(over).toEqual(['a done']);
  expect(reconciler.busy).toBe(1);
});

test('work that is stopped and planned again holds up what comes after it, so that all begins in order', async () => {
  const { plan, end, begun } = setUp();
  plan('a');
  plan();
  plan('a', 'b', 'c');
  expect(begun).toEqual(['a']);
  await end('a');
  expect(begun).toEqual(['a', 'a', 'b', 'c']);
});

test('what comes before it is not held up', async () => {
  const { plan, end, begun } = setUp();
  plan('b');
  plan();
  plan('a', 'b', 'c');
  expect(begun).toEqual(['b', 'a']);
  await end('b');
  expect(begun).toEqual(['b', 'a', 'b', 'c']);
});

test('stopped work that does not notice is written off: its later end is not that of the same work begun anew', async () => {
  const { clock, plan, end, begun, over, reconciler } = setUp();
  plan('a');
  plan();
  await clock.advance(1_000);
  expect(over).toEqual(['a stopped']);
  expect(reconciler.busy).toBe(0);
  await end('a');
  expect(over).toEqual(['a stopped']);
  plan('a');
  expect(begun).toEqual(['a', 'a']);
  await end('a');
  expect(over).toEqual(['a stopped', 'a done']);
});
