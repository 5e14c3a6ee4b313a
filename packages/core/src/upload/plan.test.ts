import { expect, test } from 'vitest';
import { active, begun } from '../testing/states.ts';
import { PAUSE_GRACE_MS, plan } from './plan.ts';
import { type ActiveState, type Tries, UNTRIED } from './state.ts';
import { hash, initiate, sendFrom } from './steps.ts';

const NOW = 1_000_000;
const sending = sendFrom(begun({ sizeBytes: 100 }), 10, { id: 's', serial: false });
const sent = (...tries: Partial<Tries>[]): ActiveState => ({
  ...sending,
  active: tries.map((one, index) => ({ ...UNTRIED, index, ...one })),
  cursor: tries.length,
});
const slices = (state: ActiveState, concurrency = 3): (number | string)[] =>
  plan(state, { concurrency }, NOW).map((one) => (one.type === 'send' ? one.slice : one.type));

test('every place is taken: by what is in flight, by what waits, and by new slices', () => {
  const [running, waiting, ready] = [{ running: true }, { retryAtMs: NOW + 1 }, { attempt: 1, retryAtMs: NOW }];
  expect(slices(sent())).toEqual([0, 1, 2]);
  expect(slices(sent(running, running))).toEqual([0, 1, 2]);
  expect(slices(sent(running, waiting))).toEqual([0, 2, 'wait']);
  expect(slices(sent(ready, running, ready, ready))).toEqual([1, 0, 2]);
  expect(slices(sent(waiting, waiting, waiting))).toEqual(['wait']);
  // Of a window that has shrunk, what is in flight stays.
  expect(slices(sent(running, running, running), 1)).toEqual([0, 1, 2]);
});

test('a pause stops hashing at once, and lets requests come to their end for a moment', () => {
  const paused = (state: ActiveState) => ({ ...state, running: true, pausedAtMs: NOW }) as ActiveState;
  const types = (state: ActiveState, nowMs = NOW) => plan(state, { concurrency: 3 }, nowMs).map(({ type }) => type);
  expect(types(paused(active(hash(begun()))))).toEqual([]);
  expect(types(paused(active(initiate(begun()))))).toEqual(['init', 'wait']);
  expect(types(paused(active(initiate(begun()))), NOW + PAUSE_GRACE_MS)).toEqual([]);
  expect(types(paused(sent({ running: true }, {})))).toEqual(['send', 'wait']);
});

test('another attempt, another signature and another step are other pieces of work', () => {
  const initiating = active(initiate(begun()));
  const all = [
    initiating,
    { ...initiating, attempt: 1 },
    { ...initiating, resigns: 1 },
    { ...initiating, run: initiating.run + 1 },
    sent({}),
    sent({ attempt: 1 }),
    sent({ resigns: 1 }),
  ];
  const keys = all.flatMap((state) => plan(state, { concurrency: 1 }, NOW).map(({ key }) => key));
  expect(new Set(keys).size).toBe(all.length);
});
