import { StoreError } from '../store.ts';

/** Longer than that no client has to wait for an answer. */
export const PATIENCE_MS = 25_000;

/** @throws StoreError `busy` with this detail when it takes longer */
export async function within<T>(pending: Promise<T>, patienceMs: number, detail: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreError('busy', { detail })), patienceMs);
  });
  return Promise.race([pending, tooLong]).finally(() => clearTimeout(timer));
}
