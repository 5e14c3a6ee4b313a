import { expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Answer } from '../protocol/operations.ts';
import { active, begun, JOB } from '../testing/states.ts';
import { detours } from './detours.ts';
import { type ActiveState, type Tries, UNTRIED, type UploadState, type Why } from './state.ts';
import { discard, finishIfComplete, hash, initiate, list, recall, sendFrom } from './steps.ts';
import { transition } from './transition.ts';

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

const first = begun();
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

test.each(STEPS.filter(([, asked]) => asked.includes('conflict')))(
  'an upload in the way ends what may not restart: $step',
  (state) => {
    const reply: Answer = { kind: 'conflict', error };
    expect(transition(state, answer(state, reply), detours)).toMatchObject({ phase: 'failed', error });
    expect(transition(state, answer(state, reply))).toMatchObject({ phase: 'failed', error });
  },
);

test('what fails for good is told as it is', () => {
  const tooLarge = new CosSliceError('bad-request', 'too large', { httpStatus: 413 });
  const refused = new CosSliceError('unauthorized', 'no');
  const failure = (state: ActiveState, cause: CosSliceError) => {
    const slice = state.step === 'send' ? 0 : undefined;
    const event = { type: 'failed', run: state.run, slice, error: cause, nowMs: 0, random: 0, online: true } as const;
    return transition({ ...state, job: { ...JOB, sizes: jsonApi.traits } }, event, detours);
  };
  for (const [state] of STEPS) {
    expect(failure(state, refused)).toMatchObject({ phase: 'failed', error: refused });
    if (state.step !== 'send') expect(failure(state, tooLarge)).toMatchObject({ phase: 'failed', error: tooLarge });
    // Where slices have been made smaller, what was said then explains only why the session with the larger ones must go.
    const expected = state.step === 'discard' ? tooLarge : refused;
    expect(failure({ ...state, tooLarge }, refused)).toMatchObject({ phase: 'failed', error: expected });
  }
});

test('bodies that are too large take a session away that the server is asked about before', () => {
  const tooLarge = new CosSliceError('bad-request', 'too large', { httpStatus: 413 });
  const [sizeBytes, sliceSizeBytes] = [4 * 1024 * 1024, 1024 * 1024];
  const job = { ...JOB, sliceSizeBytes, sizeBytes, sizes: jsonApi.traits };
  const state = active({ ...started, job, layout: { sizeBytes, sliceSizeBytes } } as UploadState);
  const event = {
    type: 'failed',
    run: state.run,
    slice: 0,
    error: tooLarge,
    nowMs: 0,
    random: 0,
    online: true,
  } as const;
  expect(transition(state, event, detours)).toMatchObject({ step: 'discard', session: 's', exact: false, tooLarge });
});

test('an object in the way of an init is looked at where an earlier one may have made it', () => {
  const exists = new CosSliceError('exists', 'no');
  const initiating = active(initiate(first));
  const next = (state: ActiveState) =>
    transition(
      state,
      { type: 'failed', run: state.run, slice: undefined, error: exists, nowMs: 0, random: 0, online: true },
      detours,
    );
  const sha = 'a'.repeat(40);
  expect(next({ ...initiating, sha })).toMatchObject({ phase: 'failed', error: exists });
  expect(next({ ...initiating, attempt: 1 })).toMatchObject({ phase: 'failed', error: exists });
  for (const before of [{ attempt: 1 }, { brokenOff: true }, { initCalled: true }]) {
    expect(next({ ...initiating, sha, ...before })).toMatchObject({ step: 'list', why: { for: 'claim' } });
  }
});

test('an earlier init has made an object of the content that it was about, and of no other', () => {
  const exists = new CosSliceError('exists', 'no');
  const [ours, other] = ['a'.repeat(40), 'b'.repeat(40)];
  const after = (recalled: { readonly sha: string; readonly initCalled?: boolean }): UploadState => {
    const recalling = active(recall({ ...first, job: { ...JOB, integrity: 'sha1' } }));
    const hashing = active(transition(recalling, { type: 'recalled', run: recalling.run, ...recalled }, detours));
    const hashed = { type: 'hashed', run: hashing.run, hash: { sha: ours, parts: [] } } as const;
    const { run } = active(transition(hashing, hashed, detours));
    const failed = { type: 'failed', run, error: exists, nowMs: 0, random: 0, online: true } as const;
    return transition(transition(hashing, hashed, detours), failed, detours);
  };
  expect(after({ sha: ours, initCalled: true })).toMatchObject({ step: 'list', why: { for: 'claim' } });
  expect(after({ sha: other, initCalled: true })).toMatchObject({ phase: 'failed', error: exists });
  expect(after({ sha: ours, initCalled: false })).toMatchObject({ phase: 'failed', error: exists });
  expect(after({ sha: ours })).toMatchObject({ phase: 'failed', error: exists });
});

test('an object where a session was left is ours only after a finish', () => {
  const recalling = active(recall(first));
  const next = (finishing?: boolean): UploadState => {
    const recalled = { type: 'recalled', run: recalling.run, session: 's', finishing } as const;
    const listing = active(transition(recalling, recalled, detours));
    return transition(listing, answer(listing, { kind: 'present', location, sizeBytes: 100 }), detours);
  };
  expect(next(true)).toMatchObject({ phase: 'done' });
  expect(next(false)).toMatchObject({ step: 'init' });
  expect(next()).toMatchObject({ step: 'init' });
});

test('what makes no object has made none that is in the way', () => {
  const exists = new CosSliceError('exists', 'no');
  const slice = { ...UNTRIED, index: 0, attempt: 1 };
  for (const state of [
    { ...sending, active: [slice], cursor: 1 },
    { ...active(list(first, { for: 'adopt' })), attempt: 1 },
    { ...active(discard(first, 's', true)), attempt: 1 },
  ] satisfies ActiveState[]) {
    const of = state.step === 'send' ? 0 : undefined;
    const event = {
      type: 'failed',
      run: state.run,
      slice: of,
      error: exists,
      nowMs: 0,
      random: 0,
      online: true,
    } as const;
    expect(transition(state, event, detours), state.step).toMatchObject({ phase: 'failed', error: exists });
  }
});

test("a session that is listed is ours by its SHA-1, and somebody else's where one was to be told", () => {
  const [ours, other] = ['a'.repeat(40), 'b'.repeat(40)];
  const next = (
    why: Why,
    before: Partial<ActiveState>,
    told: { readonly sha?: string; readonly sessionDelete?: true },
  ) => {
    const state = active(list({ ...first, ...before } as ActiveState, why));
    return transition(state, answer(state, { kind: 'listed', ...session, ...told, stored: [] }), detours);
  };
  const goesOn = { step: 'send', session: { id: 's' } };
  const isRefused = { phase: 'failed', error: { code: 'conflict' } };
  const resume = (id: string): Why => ({ for: 'resume', session: id, finishing: false });
  // The server has said that ours is unfinished.
  expect(next({ for: 'adopt' }, { sha: ours }, { sha: ours, sessionDelete: true })).toMatchObject(goesOn);
  expect(next({ for: 'adopt' }, { sha: ours }, { sessionDelete: true })).toMatchObject(isRefused);
  expect(next({ for: 'adopt' }, { sha: ours }, { sha: other })).toMatchObject(isRefused);
  expect(next({ for: 'adopt' }, { sha: ours }, {})).toMatchObject(goesOn);
  expect(next({ for: 'adopt' }, {}, { sessionDelete: true })).toMatchObject(goesOn);
  // A record names it.
  expect(next(resume('s'), { sha: ours }, { sessionDelete: true })).toMatchObject(goesOn);
  expect(next(resume('left'), { sha: ours }, { sha: ours })).toMatchObject(goesOn);
  expect(next(resume('left'), { sha: ours }, {})).toMatchObject({ step: 'init' });
  // One that this upload had left for other content is gone on with where it is told to be about this one.
  expect(next({ for: 'adopt' }, { sha: ours, foreignSession: 's' }, { sha: ours })).toMatchObject(goesOn);
  expect(next({ for: 'adopt' }, { sha: ours, foreignSession: 's' }, {})).toMatchObject({
    step: 'discard',
    session: 's',
  });
});

test('an unfinished upload where an object was in the way is not ours', () => {
  const state = active(list(first, { for: 'claim', error }));
  const reply: Answer = { kind: 'listed', ...session, stored: [] };
  expect(transition(state, answer(state, reply), detours)).toMatchObject({ phase: 'failed', error });
});

test('what a list finds counts as resumed, unless this run has stored it itself', () => {
  const found: Answer = { kind: 'listed', ...session, stored: [{ offset: 0, length: 64 }] };
  const ours = { session: 's', sliceSizeBytes: 64, storedBytes: 64, error };
  const resumedBytes = (state: UploadState): unknown => {
    const next = active(transition(state, answer(active(state), found), detours));
    expect(next).toMatchObject({ step: 'send', stored: { count: 1 } });
    return next.resumedBytes;
  };
  expect(resumedBytes(list(first, { for: 'resume', session: 's', finishing: false }))).toBe(64);
  expect(resumedBytes(list(first, { for: 'adopt' }))).toBe(64);
  expect(resumedBytes(list({ ...first, lostAtBytes: 0 }, { for: 'adopt' }))).toBe(0);
  for (const why of ['finish', 'loss'] as const) expect(resumedBytes(list(first, { for: why, ...ours }))).toBe(0);
});

test('where nothing is at the path, a session is lost, or what was in the way has left', () => {
  const ours = { session: 's', sliceSizeBytes: 64, storedBytes: 64, error };
  const next = (why: Why) => {
    const state = active(list(first, why));
    return transition(state, answer(state, { kind: 'absent' }), detours);
  };
  for (const why of ['finish', 'loss'] as const) {
    expect(next({ for: why, ...ours })).toMatchObject({ step: 'init', lostAtBytes: 64, cleared: false });
  }
  const kept = { step: 'init', lostAtBytes: -1, cleared: false };
  expect(next({ for: 'resume', session: 's', finishing: false })).toMatchObject(kept);
  expect(next({ for: 'adopt' })).toMatchObject(kept);
  expect(next({ for: 'conflict', error })).toMatchObject({ step: 'init', cleared: true });
  expect(next({ for: 'claim', error })).toMatchObject({ phase: 'failed', error });
});

test('a session that is gone is looked for only where all slices may have arrived', () => {
  const gone: Answer = { kind: 'session-gone', error };
  const next = (tries: Partial<Tries>[]) => {
    const slices = tries.map((one, index) => ({ ...UNTRIED, index, ...one }));
    const state: ActiveState = { ...sending, active: slices, cursor: slices.length };
    return transition(state, answer(state, gone), detours);
  };
  const lost = { step: 'init', lostAtBytes: 0 };
  expect(next([{ running: true }])).toMatchObject(lost);
  expect(next([{ attempt: 1 }, { running: true }])).toMatchObject(lost);
  expect(next([{ attempt: 1 }, { brokenOff: true }])).toMatchObject({
    step: 'list',
    why: { for: 'loss', session: 's', storedBytes: 0, error },
  });
});

test('a session that is gone at the first finish may have made the object: what proves to be ours is looked for', () => {
  const gone: Answer = { kind: 'session-gone', error };
  const sha = 'a'.repeat(40);
  const looked = active(transition({ ...finishing, sha }, answer(finishing, gone), detours));
  expect(looked).toMatchObject({ step: 'list', why: { for: 'loss', session: 's', storedBytes: 100, error } });
  const found = (object: { readonly sha?: string; readonly madeBy?: string }) =>
    transition(looked, answer(looked, { kind: 'present', location, sizeBytes: 100, ...object }), detours);
  expect(found({ sha })).toMatchObject({ phase: 'done' });
  expect(found({ madeBy: 's' })).toMatchObject({ phase: 'done' });
  const lost = { step: 'init', lostAtBytes: 100 };
  expect(found({})).toMatchObject(lost);
  expect(found({ madeBy: '' })).toMatchObject(lost);
  expect(transition(looked, answer(looked, { kind: 'absent' }), detours)).toMatchObject(lost);
  // A server that lists the session and does not finish it is not asked for ever.
  const refused = { ...finishing, refusals: 3 };
  expect(transition(refused, answer(refused, gone), detours)).toMatchObject(lost);
});

test('an object in the way is hashed for only where its SHA-1 is told and ours is not known', () => {
  const next = (why: Why, object: { readonly sha?: string }, sha?: string) => {
    const state = active(list({ ...first, sha }, why));
    return transition(state, answer(state, { kind: 'present', location, ...object }), detours);
  };
  const claim: Why = { for: 'claim', error };
  const [ours, other] = ['a'.repeat(40), 'b'.repeat(40)];
  expect(next(claim, { sha: ours })).toMatchObject({ step: 'hash', inTheWay: error });
  expect(next(claim, {})).toMatchObject({ phase: 'failed', error });
  expect(next(claim, { sha: ours }, ours)).toMatchObject({ phase: 'done' });
  expect(next(claim, { sha: other }, ours)).toMatchObject({ phase: 'failed', error });
  expect(next({ ...claim, session: 's' }, { sha: ours })).toMatchObject({ phase: 'failed', error });
  expect(next({ for: 'adopt' }, { sha: ours })).toMatchObject({ step: 'init' });
});

test('without detours, what is refused is told as it was', () => {
  const end = transition(started, answer(started, { kind: 'session-gone', error }));
  expect('error' in end && end.error).toBe(error);
  expect(transition(active(initiate(first)), answer(active(initiate(first)), { kind: 'unfinished' }))).toMatchObject({
    phase: 'failed',
    error: { code: 'conflict' },
  });
});

test('the sum of the whole content is kept', () => {
  const summed = { type: 'summed', run: started.run, crc64: '7' } as const;
  expect(transition(started, summed, detours)).toEqual({ ...started, crc64: '7' });
});

test('a comparison counts while slices are sent, and where detours are there', () => {
  for (const [state] of STEPS.filter(([{ step }]) => step !== 'send')) {
    const compared = { type: 'compared', run: state.run, slice: 0, same: false } as const;
    expect(transition(state, compared, detours)).toBe(state);
  }
  const one = { size: 2, count: 1, pages: [[1]] };
  const listed: ActiveState = { ...sending, stored: one, cursor: 1, unproven: [{ index: 0, md5: 'm' }] };
  const compared = (same: boolean) => ({ type: 'compared', run: listed.run, slice: 0, same }) as const;
  expect(transition(listed, compared(true))).toBe(listed);
  expect(transition(listed, compared(true), detours)).toMatchObject({ step: 'send', stored: { count: 1 } });
  expect(transition(listed, compared(false), detours)).toMatchObject({ step: 'send', stored: { count: 0 } });
});

function answer(state: ActiveState, reply: Answer) {
  const slice = state.step === 'send' ? 0 : undefined;
  return { type: 'replied', run: state.run, slice, reply } as const;
}
