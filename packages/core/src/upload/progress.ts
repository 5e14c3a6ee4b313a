export type UploadPhase = 'hashing' | 'opening' | 'sending' | 'finishing' | 'done' | 'failed' | 'cancelled';

/** What to show. `fraction` and `confirmedBytes` never fall; `fraction` is 1 only when the upload is done. */
export interface UploadProgress {
  readonly phase: UploadPhase;
  readonly sizeBytes: number;
  /** Acknowledged by the server, an earlier run's included. */
  readonly confirmedBytes: number;
  /** Put on the wire by this run, resent bytes included. */
  readonly sentBytes: number;
  /** Those of `sentBytes` that did not last: attempts that failed, and slices of a session that was lost. */
  readonly resentBytes: number;
  readonly resumedBytes: number;
  /** Hashing comes before sending and is not part of `fraction`. */
  readonly hashedBytes: number;
  /** Share of the content confirmed or on its way, 0..1. */
  readonly fraction: number;
  /** Moving average of the current phase; 0 until known. */
  readonly bytesPerSecond: number;
  readonly etaMs?: number | undefined;
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

/** A moving average of a phase's speed. */
export interface Meter {
  readonly phase: UploadPhase;
  readonly bytes: number;
  readonly atMs: number;
  readonly bytesPerMs: number;
}

const SAMPLE_MS = 250;
const AVERAGE_OVER_MS = 3000;

/** Takes a reading of how far a phase came. Readings closer than a quarter of a second are left to the next one. */
export function readMeter(meter: Meter | undefined, phase: UploadPhase, bytes: number, nowMs: number): Meter {
  if (meter?.phase !== phase) return { phase, bytes, atMs: nowMs, bytesPerMs: 0 };
  const passedMs = nowMs - meter.atMs;
  if (passedMs < SAMPLE_MS) return meter;
  const now = Math.max(0, bytes - meter.bytes) / passedMs;
  const weight = meter.bytesPerMs === 0 ? 1 : 1 - Math.exp(-passedMs / AVERAGE_OVER_MS);
  return { phase, bytes, atMs: nowMs, bytesPerMs: meter.bytesPerMs + weight * (now - meter.bytesPerMs) };
}
