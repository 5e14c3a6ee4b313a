import { expect, test } from 'vitest';
import { active, begun } from '../testing/states.ts';
import { detours } from './detours.ts';
import type { UploadEvent, UploadState } from './state.ts';
import { hash, initiate, sendFrom } from './steps.ts';
import { isStraight, transition } from './transition.ts';

const first = begun();
const sending = sendFrom(first, 64, { id: 's', serial: false });
const after = (state: UploadState, event: UploadEvent): UploadState => transition(state, event, detours);

test('a switch that is thrown twice is as it was after the first time', () => {
  const twice = (one: UploadEvent, other: UploadEvent = one) => {
    const once = after(first, one);
    expect(once).not.toBe(first);
    expect(after(once, other)).toBe(once);
    return once;
  };
  twice({ type: 'paused', nowMs: 1 }, { type: 'paused', nowMs: 2 });
  twice({ type: 'offline', nowMs: 1 }, { type: 'offline', nowMs: 2 });
  const stands = twice({ type: 'unseated' });
  expect(after(stands, { type: 'seated' })).toEqual(first);
  for (const type of ['seated', 'resumed', 'online'] as const) expect(after(first, { type })).toBe(first);
});

test('what comes without a slice says nothing while slices are sent', () => {
  const { run } = sending;
  expect(after(sending, { type: 'started', run })).toBe(sending);
  const well = { ...sending, contacted: true };
  expect(after(well, { type: 'replied', run, reply: { kind: 'session-gone', error: new Error() as never } })).toBe(
    well,
  );
});

test('how far hashing came is kept while it lasts', () => {
  const checkpoint = { hashedBytes: 1, data: 'x' };
  const hashing = active(hash(first));
  expect(after(hashing, { type: 'checkpointed', run: hashing.run, checkpoint })).toMatchObject({ checkpoint });
  const initiating = active(initiate(first));
  expect(after(initiating, { type: 'checkpointed', run: initiating.run, checkpoint })).toBe(initiating);
});

test('whoever answers can be reached, whatever is said of the network', () => {
  const { run } = sending;
  for (const unwell of [{ probeAtMs: 1 }, { failures: 1 }, { contacted: false }]) {
    const state = { ...sending, contacted: true, ...unwell };
    expect(after(state, { type: 'replied', run, slice: 0, reply: { kind: 'stored' } })).toMatchObject({
      contacted: true,
      failures: 0,
      probeAtMs: undefined,
    });
  }
});

test('an object leads straight on where it is what was asked for', () => {
  const present = { kind: 'present', location: { accessUrl: '', sourceUrl: '', url: '', resourcePath: '' } } as const;
  expect((['init', 'list', 'send', 'finish'] as const).filter((step) => isStraight(step, present))).toEqual([
    'send',
    'finish',
  ]);
});
