import { expect, test } from 'vitest';
import { begun } from '../testing/states.ts';
import { UNTRIED, type UploadEvent, type UploadState } from './state.ts';
import { sendFrom } from './steps.ts';
import { transition } from './transition.ts';

const begin = (sizeBytes = 40) => sendFrom(begun({ sizeBytes }), 10, { id: 's', serial: false });
const after = (state: UploadState, ...events: UploadEvent[]): UploadState =>
  events.reduce((one, event) => transition(one, event), state);

test('slices that others have overtaken on the way to a place wait for theirs', () => {
  const state = begin();
  const next = after(state, { type: 'started', run: state.run, slice: 2 });
  expect(next).toMatchObject({
    active: [
      { ...UNTRIED, index: 0 },
      { ...UNTRIED, index: 1 },
      { ...UNTRIED, index: 2, running: true },
    ],
    cursor: 3,
  });
  expect(after(next, { type: 'started', run: state.run, slice: 0 })).toMatchObject({
    active: [{ running: true }, { running: false }, { running: true }],
  });
});

test('a slice that is none, or is stored, is not started', () => {
  const state = begin();
  const { run } = state;
  const stored = after(
    state,
    { type: 'started', run, slice: 0 },
    { type: 'replied', run, slice: 0, reply: { kind: 'stored' } },
  );
  for (const slice of [-1, 0, 4]) expect(after(stored, { type: 'started', run, slice })).toBe(stored);
});

test('finish has the tags of all slices in their order, however they have come', () => {
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
  ]) {
    const state = begin(30);
    const { run } = state;
    const events = order.flatMap((slice): UploadEvent[] => [
      { type: 'started', run, slice },
      { type: 'replied', run, slice, reply: { kind: 'stored', tag: `t${slice}` } },
    ]);
    expect(after(state, ...events)).toMatchObject({ step: 'finish', tags: [['t0', 't1', 't2']] });
  }
});
