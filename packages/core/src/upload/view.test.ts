import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { active, begun } from '../testing/states.ts';
import { type ActiveState, type Tries, UNTRIED, type UploadState } from './state.ts';
import { discard, fail, hash, initiate, sendFrom, succeed } from './steps.ts';
import { type Counts, createTally } from './tally.ts';
import { SLICE_IN_FLIGHT, SLICE_RESUMED, SLICE_RETRYING, SLICE_STORED, SLICE_WAITING } from './upload.ts';
import { viewUpload } from './view.ts';

const NOW = 1_000_000;
const location = { accessUrl: 'a', sourceUrl: 'b', url: 'c', resourcePath: 'd' };
const first = begun({ sizeBytes: 95, sliceSizeBytes: 20 });
const initiating = active(initiate(first));
/** Ten slices, of which some are stored: the last one has 5 bytes. */
const sending = sendFrom(first, 10, { id: 's', serial: false });
const sent = (...tries: Partial<Tries>[]): ActiveState => ({
  ...sending,
  active: tries.map((one, index) => ({ ...UNTRIED, index, ...one })),
  cursor: tries.length,
});

const view = (state: UploadState, counts: Partial<Counts> = {}) =>
  viewUpload(
    state,
    { ...createTally(), ...counts },
    { requests: 7, signatures: 2, concurrency: 3, resumable: true, nowMs: NOW },
  );

describe('what an upload waits for', () => {
  const wait = (state: UploadState) => view(state).waitingFor;
  const [running, waiting, ready] = [{ running: true }, { retryAtMs: NOW + 1 }, { retryAtMs: NOW }];

  test('is the end of a pause between attempts, where nothing else is done meanwhile', () => {
    expect(wait({ ...initiating, ...waiting })).toBe('retry');
    expect(wait({ ...initiating, ...ready })).toBeUndefined();
    expect(wait(sent(waiting, waiting))).toBe('retry');
    expect(wait(sent(waiting, ready))).toBeUndefined();
    expect(wait(sent(waiting, running))).toBeUndefined();
    expect(wait(sent(waiting, { ...waiting, ...running }))).toBeUndefined();
    expect(wait(sent())).toBeUndefined();
  });

  test('is a place, then the network, and nothing for who has paused it or when it is over', () => {
    const offline = { ...initiating, ...waiting, probeAtMs: NOW };
    expect(wait(offline)).toBe('network');
    expect(wait({ ...offline, seated: false })).toBe('place');
    expect(wait({ ...offline, seated: false, pausedAtMs: NOW })).toBeUndefined();
    expect(wait(fail(offline, new CosSliceError('network', 'no')))).toBeUndefined();
  });
});

test('an error is told of what has failed, and a session of what has one', () => {
  const error = new CosSliceError('network', 'no');
  expect(view(sending)).toMatchObject({
    phase: 'sending',
    session: 's',
    error: undefined,
    paused: false,
    online: true,
  });
  expect(view(fail(sending, error))).toMatchObject({ phase: 'failed', session: 's', error });
  expect(view(active(discard(first, 'theirs', true))).session).toBeUndefined();
  expect(view(initiating).session).toBeUndefined();
  expect(view({ ...sending, pausedAtMs: 1, probeAtMs: 1 })).toMatchObject({ paused: true, online: false });
});

describe('numbers', () => {
  const stored = { size: 10, count: 3, pages: [[0b1000000011]] };
  const some: ActiveState = { ...sending, stored, resumed: { size: 10, count: 1, pages: [[1]] }, resumedBytes: 10 };

  test('are those of the slices that were agreed on, or of those that are asked for', () => {
    expect(view(initiating)).toMatchObject({ sliceSizeBytes: 20, progress: { slices: { total: 5, stored: 0 } } });
    expect(view(some, { confirmedBytes: 25 })).toMatchObject({
      sliceSizeBytes: 10,
      progress: { confirmedBytes: 25, resumedBytes: 10, slices: { total: 10, stored: 3 } },
    });
    // As many as are needed for what had been confirmed before a session was lost.
    expect(view(some, { confirmedBytes: 61 }).progress.slices.stored).toBe(7);
    expect(view(succeed(some, { location }), { confirmedBytes: 95 }).progress.slices).toMatchObject({
      total: 10,
      stored: 10,
    });
  });

  test('of what was sent again are of all that was sent, but for what has lasted', () => {
    expect(view(some, { confirmedBytes: 25, spentBytes: 15 }).progress.resentBytes).toBe(0);
    expect(view(some, { confirmedBytes: 25, spentBytes: 40 }).progress.resentBytes).toBe(25);
    expect(view(initiating, { spentBytes: 40 }).progress.resentBytes).toBe(40);
    expect(view(succeed(some, { location }), { confirmedBytes: 95, spentBytes: 90 }).progress.resentBytes).toBe(5);
  });

  test('of speed are those of the phase, and tell when it will be over', () => {
    const meter = (phase: 'sending' | 'hashing', bytes: number) => ({ phase, bytes, atMs: NOW, bytesPerMs: 0.01 });
    expect(view(some, { fraction: 0.6, meter: meter('sending', 57) }).progress).toMatchObject({
      bytesPerSecond: 10,
      etaMs: 3800,
    });
    const hashing = active(hash(first));
    expect(view(hashing, { hashedBytes: 45, meter: meter('hashing', 45) }).progress).toMatchObject({
      bytesPerSecond: 10,
      etaMs: 5000,
      hashedBytes: 45,
    });
    expect(view(initiating).progress).toMatchObject({ bytesPerSecond: 0, etaMs: undefined });
    expect(view(initiating).progress).toMatchObject({ requests: 7, signatures: 2, concurrency: 3 });
  });

  test('of slices tell apart what is in flight, what is tried again and what waits for a place', () => {
    const state = sent({ running: true }, { attempt: 1 }, {}, { running: true, attempt: 1 }, { attempt: 2 });
    expect(view(state).progress.slices).toEqual({ total: 10, stored: 0, inFlight: 2, retrying: 2 });
    const [WAITING, FLIGHT, AGAIN] = [SLICE_WAITING, SLICE_IN_FLIGHT, SLICE_RETRYING];
    expect([...view(state).sliceMap()].slice(0, 6)).toEqual([FLIGHT, AGAIN, WAITING, FLIGHT, AGAIN, WAITING]);
    const failed = view(fail(state, new CosSliceError('network', 'no')));
    expect(failed.progress.slices).toMatchObject({ inFlight: 0, retrying: 0 });
    expect(new Set(failed.sliceMap())).toEqual(new Set([WAITING]));
  });

  test('of slices tell what an earlier run had stored, while the slices are the same', () => {
    const map = (state: UploadState) => [...view(state).sliceMap()];
    expect(map(some)).toEqual([SLICE_RESUMED, SLICE_STORED, ...Array(7).fill(SLICE_WAITING), SLICE_STORED]);
    const others = { size: 5, count: 1, pages: [[1]] };
    expect(map({ ...some, resumed: others })[0]).toBe(SLICE_STORED);
    expect(map(initiating)).toEqual(Array(5).fill(SLICE_WAITING));
    expect(map(succeed(initiating, { location }))).toEqual(Array(5).fill(SLICE_STORED));
  });
});
