import type { UploadPhase } from './upload.ts';

/** What to show. `fraction` and `confirmedBytes` never fall; `fraction` is 1 only when the upload is done. */
export interface UploadProgress {
  readonly phase: UploadPhase;
  readonly sizeBytes: number;
  /** Acknowledged by the server, an earlier run's included. */
  readonly confirmedBytes: number;
  /** Put on the wire by this run, resent bytes included. */
  readonly sentBytes: number;
  /** Bytes of slices that had been sent before in this run. */
  readonly resentBytes: number;
  readonly resumedBytes: number;
  /** Hashing comes before sending and is not part of `fraction`. */
  readonly hashedBytes: number;
  /** Share of the content confirmed or on its way, 0..1. */
  readonly fraction: number;
  /** Moving average; 0 until known. */
  readonly bytesPerSecond: number;
  readonly etaMs?: number;
  readonly slices: {
    readonly total: number;
    readonly stored: number;
    readonly inFlight: number;
    readonly retrying: number;
  };
  /** Requests answered or failed so far. */
  readonly requests: number;
  /** Signatures asked of the signer so far. */
  readonly signatures: number;
  /** Places of the adaptive window at this moment. */
  readonly concurrency: number;
}
