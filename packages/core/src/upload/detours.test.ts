import { expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { Answer } from '../protocol/operations.ts';
import { detours } from './detours.ts';
import { type ActiveState, initialState, isOver, type Job, type UploadState } from './state.ts';
import { discard, finishIfComplete, hash, initiate, list, recall, sendFrom } from './steps.ts';
import { transition } from './transition.ts';

const JOB: Job = {
  sizeBytes: 100,
  sliceSizeBytes: 64,
  singleMaxBytes: -1,
  integrity: 'none',
  overwrite: false,
  onConflict: 'error',
  retry: { attempts: 2, attemptsPerUpload: 9, baseDelayMs: 0, maxDelayMs: 0 },
};
const error = new CosSliceError('bad-request', 'no');
const location = { accessUrl: 'a', sourceUrl: 'b', url: 'c', resourcePath: 'd' };
const session = { session: 's', sliceSizeBytes: 64, serial: false };

const ANSWERS: readonly Answer[] = [
  { kind: 'opened', ...session },
  { kind: 'unfinished' },
  { kind: 'present', location },
  { kind: 'listed', ...session, stored: [] },
  { kind: 'absent' },
  { kind: 'stored' },
  { kind: 'session-gone', error },
  { kind: 'incomplete', error },
  { kind: 'conflict', error },
  { kind: 'discarded' },
];

const first = active(initialState(JOB));
const sending = sendFrom(first, 64, { id: 's', serial: false });
const started = active(transition(sending, { type: 'started', run: sending.run, slice: 0 }));
const whole = { size: 2, count: 2, pages: [[3]] };
const finishing = active(finishIfComplete({ ...sending, stored: whole, cursor: 2 }));

/** Each step, and what may be answered to it. */
const STEPS: readonly (readonly [ActiveState, readonly Answer['kind'][]])[] = [
  [first, []],
  [active(recall(first)), []],
  [active(hash(first)), []],
  [active(initiate(first)), ['opened', 'unfinished', 'present', 'conflict']],
  [active(list(first, { for: 'adopt' })), ['listed', 'present', 'absent', 'conflict']],
  [active(discard(first, 's', true)), ['discarded', 'absent', 'conflict']],
  [started, ['stored', 'present', 'session-gone', 'conflict']],
  [finishing, ['present', 'session-gone', 'incomplete', 'conflict']],
];

test.each(STEPS)('an answer to another question leads nowhere: $step', (state, asked) => {
  for (const reply of ANSWERS.filter(({ kind }) => !asked.includes(kind))) {
    const next = transition(state, answer(state, reply), detours);
    const { run, step, phase } = state;
    expect(next, reply.kind).toMatchObject({ run, step, phase });
  }
});

function answer(state: ActiveState, reply: Answer) {
  const slice = state.step === 'send' ? 0 : undefined;
  return { type: 'replied', run: state.run, slice, reply } as const;
}

function active(state: UploadState): ActiveState {
  if (isOver(state)) throw new Error(`it is over: ${state.phase}`);
  return state;
}
