import { type Meter, readMeter } from './progress.ts';
import { bytesIn } from './slices.ts';
import { isOver, type UploadState } from './state.ts';

/** What the network has been handed of one attempt's content. */
export interface Sent {
  bytes: number;
  /** Of `bytes`, those that were swallowed at once: they fill buffers, and have not moved yet. */
  buffered: number;
  /** When the first ones left, monotonic. */
  sinceMs: number | undefined;
}

/** What is counted of an upload beside its state. */
export interface Counts {
  /** Of attempts that are over and of those under way; and of the former alone. */
  readonly sentBytes: number;
  readonly spentBytes: number;
  readonly hashedBytes: number;
  /** Most that was ever confirmed, and the largest share ever shown: a session that is lost does not turn them back. */
  readonly confirmedBytes: number;
  readonly fraction: number;
  readonly meter: Meter | undefined;
}

export interface Tally extends Counts {
  /** An attempt has handed over so many bytes. */
  sent(attempt: Sent, totalBytes: number, nowMs: number): void;
  /** An attempt is over: what it has moved is confirmed by now, or lost. */
  ended(attempt: Sent): void;
  hashed(bytes: number): void;
  /** The state, or what is under way, has changed. */
  advance(state: UploadState, nowMs: number): void;
}

/** What is handed over this soon has gone no further than into buffers. */
const BURST_MS = 100;
/** Just below the end: shown until finish has succeeded. */
const ALMOST_DONE = 0.999;

export function createTally(): Tally {
  let movingBytes = 0;
  const moved = ({ bytes, buffered }: Sent): number => bytes - buffered;
  const tally = {
    sentBytes: 0,
    spentBytes: 0,
    hashedBytes: 0,
    confirmedBytes: 0,
    fraction: 0,
    meter: undefined as Meter | undefined,
    sent(attempt: Sent, totalBytes: number, nowMs: number) {
      const before = moved(attempt);
      tally.sentBytes += totalBytes - attempt.bytes;
      attempt.bytes = totalBytes;
      attempt.sinceMs ??= nowMs;
      if (nowMs - attempt.sinceMs < BURST_MS) attempt.buffered = totalBytes;
      movingBytes += moved(attempt) - before;
    },
    ended(attempt: Sent) {
      movingBytes -= moved(attempt);
      tally.spentBytes += attempt.bytes;
    },
    hashed(bytes: number) {
      tally.hashedBytes = bytes;
    },
    advance(state: UploadState, nowMs: number) {
      const { phase, job } = state;
      const { sizeBytes } = job;
      const done = phase === 'done';
      if ('layout' in state) {
        const confirmed = bytesIn(state.layout, state.stored);
        tally.confirmedBytes = Math.max(tally.confirmedBytes, confirmed);
        // No more than one slice ahead of what is confirmed: what is under way may have to be sent again.
        const ahead = Math.min(movingBytes, state.layout.sliceSizeBytes);
        tally.fraction = Math.max(tally.fraction, Math.min(ALMOST_DONE, (confirmed + ahead) / sizeBytes || 0));
      }
      if (done) Object.assign(tally, { confirmedBytes: sizeBytes, fraction: 1 });
      if (!isOver(state)) tally.meter = readMeter(tally.meter, phase, metered(state, tally), nowMs);
    },
  };
  return tally;
}

/** Bytes of the content that the current phase is through with. */
export function metered({ phase, job }: UploadState, { hashedBytes, fraction }: Counts): number {
  return phase === 'hashing' ? hashedBytes : fraction * job.sizeBytes;
}
