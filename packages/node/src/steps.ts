const MIN_BYTES = 64 * 1024;
const START_BYTES = 256 * 1024;
/** A step takes no longer than the default patience at 35 KB/s. */
const MAX_BYTES = 1024 * 1024;
const FAST_MS = 20;
const SLOW_MS = 500;

/**
 * How much to hand to a socket at once. Progress is only seen between two steps, so slow networks need small ones; each step
 * costs system calls and turns of the event loop, so fast networks need large ones.
 */
export interface Steps {
  readonly bytes: number;
  /** A step has gone to the network. */
  took(durationMs: number): void;
  /** A step did not get through. */
  brokeOff(): void;
}

export function createSteps(): Steps {
  let bytes = START_BYTES;
  return {
    get bytes() {
      return bytes;
    },
    took(durationMs) {
      if (durationMs < FAST_MS) bytes = Math.min(bytes * 2, MAX_BYTES);
      else if (durationMs > SLOW_MS) bytes = Math.max(bytes / 2, MIN_BYTES);
    },
    brokeOff() {
      bytes = Math.min(bytes, START_BYTES);
    },
  };
}
