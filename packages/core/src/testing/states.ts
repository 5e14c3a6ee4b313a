import { type ActiveState, initialState, isOver, type Job, type UploadState } from '../upload/state.ts';

// What the tests of the machine share.

export const JOB: Job = {
  sizeBytes: 100,
  sliceSizeBytes: 64,
  singleMaxBytes: -1,
  integrity: 'none',
  overwrite: false,
  onConflict: 'error',
  retry: { attempts: 2, attemptsPerUpload: 9, baseDelayMs: 0, maxDelayMs: 0 },
};

/** An upload that has just begun. */
export function begun(more: Partial<Job> = {}): ActiveState {
  return active(initialState({ ...JOB, ...more }));
}

/** @throws Error when it is over */
export function active(state: UploadState): ActiveState {
  if (isOver(state)) throw new Error(`it is over: ${state.phase}`);
  return state;
}
