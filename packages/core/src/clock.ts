import type { Clock } from './ports.ts';

/** The runtime's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', settle);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      // Timers count in 31 bits.
      const timer = setTimeout(settle, Math.min(delayMs, 0x7fffffff));
      signal.addEventListener('abort', settle);
    }),
};
