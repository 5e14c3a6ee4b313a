import { clearTimeout, setTimeout as start } from './runtime.ts';

interface Options {
  readonly signal?: AbortSignal;
}

export function setTimeout<T>(delayMs: number, value?: T, { signal }: Options = {}): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = start(() => resolve(value), delayMs);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
