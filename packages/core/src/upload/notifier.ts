/** Tells listeners that something has changed, at most so often. */
export interface Notifier<T> {
  subscribe(listener: (value: T) => void): () => void;
  /** @param atOnce the change is one that nobody should hear of late */
  notify(atOnce: boolean): void;
}

const NOTIFY_EVERY_MS = 100;

export function createNotifier<T>(nowMs: () => number, read: () => T): Notifier<T> {
  const listeners = new Set<(value: T) => void>();
  let notifiedAtMs = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const notify = (atOnce: boolean): void => {
    if (listeners.size === 0) return;
    const waitMs = notifiedAtMs + NOTIFY_EVERY_MS - nowMs();
    if (!atOnce && waitMs > 0) {
      timer ??= setTimeout(() => notify(true), waitMs);
      return;
    }
    clearTimeout(timer);
    timer = undefined;
    notifiedAtMs = nowMs();
    const value = read();
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        // A listener's fault is its own: it must neither stop the upload nor vanish.
        setTimeout(() => {
          throw error;
        }, 0);
      }
    }
  };
  return {
    notify,
    subscribe(listener) {
      // Wrapped, so that the same function may subscribe twice.
      const entry = (value: T): void => listener(value);
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
  };
}
