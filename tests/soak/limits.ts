import type { TimeoutOptions } from '@cos-slice/node';

/** @param patienceMs until a request that hangs is tried again; each try doubles it, up to 16 times */
export const timeoutsOf = (patienceMs: number): Required<TimeoutOptions> => ({
  connectMs: 2 * patienceMs,
  responseMs: patienceMs,
  // Reading a file is given no longer than that, either, and the machine may have much else to do.
  noProgressMs: 10_000,
});
export const RETRY = { attempts: 1000, attemptsPerUpload: 100_000, baseDelayMs: 20, maxDelayMs: 400 };
/** Pages are not told what has happened to a request, and believe after five that they may not make it. */
export const RETRY_IN_PAGE = { ...RETRY, baseDelayMs: 500, maxDelayMs: 2000 };

/** What became of an upload, in whichever client. */
export interface Ended {
  /** Of the error; undefined when it is stored. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly sentBytes: number;
  readonly resumedBytes: number;
}
