import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { active, begun, JOB } from '../testing/states.ts';
import { type ActiveState, type Tries, UNTRIED, type UploadState } from './state.ts';
import { initiate, sendFrom, sendSingle } from './steps.ts';
import { transition } from './transition.ts';

const NOW = 1_000_000;
const RETRY = { attempts: 5, attemptsPerUpload: 9, baseDelayMs: 100, maxDelayMs: 100 };
const lost = new CosSliceError('network', 'lost', { remedy: 'backoff' });
const busy = new CosSliceError('unavailable', 'busy', { remedy: 'backoff', wireCode: -71 });
const refused = new CosSliceError('bad-request', 'no', { wireCode: -5999 });
const unsigned = new CosSliceError('signature-expired', 'no', { remedy: 'resign' });

const job = { ...JOB, retry: RETRY };
const initiating = active(initiate(begun({ retry: RETRY })));
const sending = sendFrom(begun({ retry: RETRY }), 64, { id: 's', serial: false });
/** With slices that have been started. */
const sent = (...tries: Partial<Tries>[]): ActiveState => ({
  ...sending,
  active: tries.map((one, index) => ({ ...UNTRIED, index, running: true, ...one })),
  cursor: tries.length,
});

function failed(state: ActiveState, error: CosSliceError, { slice, online = true }: Options = {}): UploadState {
  return transition(state, { type: 'failed', run: state.run, slice, error, nowMs: NOW, random: 0.5, online });
}

interface Options {
  readonly slice?: number;
  readonly online?: boolean;
}

describe('an attempt that has failed', () => {
  test('is one of its own slice', () => {
    const state = sent({ attempt: 3 }, { attempt: 0 });
    expect(failed(state, lost, { slice: 1 })).toMatchObject({
      active: [
        { attempt: 3, running: true },
        { attempt: 1, running: false, retryAtMs: NOW + 50 },
      ],
    });
    expect(failed(state, lost, { slice: 7 })).toBe(state);
  });

  test('shows that the server is there, when it is the server that has refused', () => {
    expect(failed({ ...initiating, probeAtMs: NOW }, busy)).toMatchObject({ contacted: true, probeAtMs: undefined });
    expect(failed(initiating, lost)).toMatchObject({ contacted: false });
  });

  test('is one of three where something hangs on the machine, and one of all where the line does', () => {
    const hung = (code: 'timeout' | 'signing-failed') =>
      new CosSliceError(code, 'hung', { remedy: 'backoff', phase: 'no-progress' });
    const state = { ...initiating, contacted: true, attempt: 2, hangs: 2 };
    expect(failed(state, hung('signing-failed'))).toMatchObject({ phase: 'failed' });
    expect(failed(state, hung('timeout'))).toMatchObject({ step: 'init', attempt: 3 });
    // Attempts that failed for other reasons are not held against it.
    expect(failed({ ...state, hangs: 0 }, hung('signing-failed'))).toMatchObject({ step: 'init', hangs: 1 });
  });

  test('counts as one of a signature that was good before only where a session was opened with one', () => {
    const tries = { contacted: true, resigns: 2 };
    const single = sendSingle(begun({ retry: RETRY, singleMaxBytes: 100 }));
    const started = { ...single, ...tries, active: [{ ...UNTRIED, index: 0, resigns: 2 }], cursor: 1 };
    expect(failed(started, unsigned, { slice: 0 })).toMatchObject({ phase: 'failed', error: unsigned });
    expect(failed({ ...initiating, ...tries }, unsigned)).toMatchObject({ phase: 'failed', error: unsigned });
    expect(failed(sent({ resigns: 2 }), unsigned, { slice: 0 })).toMatchObject({ step: 'send' });
  });

  test('without a reason is one of five while nothing with content has been answered', () => {
    const opaque = new CosSliceError('network', 'no reason', { remedy: 'backoff', opaque: true });
    const retry = { ...RETRY, attempts: 9 };
    const tries = { opaque: 4, attempt: 4 };
    const slices = { ...sent(tries), job: { ...job, retry }, contacted: true };
    expect(failed(slices, opaque, { slice: 0 })).toMatchObject({ phase: 'failed' });
    const stored = { size: 2, count: 1, pages: [[2]] };
    expect(failed({ ...slices, stored } as ActiveState, opaque, { slice: 0 })).toMatchObject({ step: 'send' });
    const first = { ...initiating, ...tries, job: { ...job, retry } };
    expect(failed(first, opaque)).toMatchObject({ phase: 'failed' });
    expect(failed({ ...first, contacted: true }, opaque)).toMatchObject({ step: 'init', attempt: 5 });
  });

  test('costs nothing without a network, unless it was answered or cannot succeed', () => {
    const offline = { online: false };
    expect(failed(initiating, lost, offline)).toMatchObject({ attempt: 0, brokenOff: true, probeAtMs: NOW + 10_000 });
    expect(failed(initiating, busy, offline)).toMatchObject({ attempt: 1, brokenOff: false, probeAtMs: undefined });
    expect(failed(initiating, refused, offline)).toMatchObject({ phase: 'failed', error: refused });
    const forbidden = new CosSliceError('network', 'no CORS', { remedy: 'backoff', opaque: true, reached: true });
    expect(failed(initiating, forbidden, offline)).toMatchObject({ attempt: 1, probeAtMs: undefined });
    const unfit = new CosSliceError('network', 'no such address');
    expect(failed(initiating, unfit, offline)).toMatchObject({ phase: 'failed', error: unfit });
  });

  test('on a connection that had been closed is made again at once, and after a pause the next time', () => {
    const stale = new CosSliceError('network', 'closed', { remedy: 'backoff', stale: true });
    const once = active(failed(initiating, stale));
    expect(once).toMatchObject({ attempt: 0, brokenOff: true, retryAtMs: NOW });
    expect(failed(once, stale)).toMatchObject({ attempt: 0, brokenOff: true, retryAtMs: NOW + 100 });
  });

  test('is the last one when as many have failed in a row as an upload may make', () => {
    const after = (failures: number): UploadState => failed({ ...initiating, contacted: true, failures }, lost);
    expect(after(0)).toMatchObject({ step: 'init', failures: 1 });
    expect(after(7)).toMatchObject({ step: 'init', failures: 8 });
    expect(after(8)).toMatchObject({ phase: 'failed', error: lost });
  });
});
