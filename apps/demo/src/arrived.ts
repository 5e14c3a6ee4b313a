const KEPT_AS = 'cos-slice-demo-arrived';

/** The files of a tab that have arrived, by the ids that Uppy has for them. */
export interface Arrived {
  has(id: string): boolean;
  add(id: string): void;
  remove(id: string): void;
}

/**
 * Golden Retriever drops the content of a file when it has arrived, and writes a moment later that it has. Whoever reloads in
 * between would be asked for a file that is there already, so this is written at once.
 */
export function createArrived(tab: string): Arrived {
  const key = `${KEPT_AS}-${tab}`;
  const ids = new Set<string>(read(key));
  const write = (): void => {
    try {
      localStorage.setItem(key, JSON.stringify([...ids]));
    } catch {
      // Where nothing can be kept, nothing is restored either.
    }
  };
  return {
    has: (id) => ids.has(id),
    add(id) {
      ids.add(id);
      write();
    },
    remove(id) {
      if (ids.delete(id)) write();
    },
  };
}

function read(key: string): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(kept) ? kept.filter((id) => typeof id === 'string') : [];
  } catch {
    return [];
  }
}
