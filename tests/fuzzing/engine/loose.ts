/** What has gone wrong where nobody waits for it. */
export interface Loose {
  take(): unknown[];
  end(): void;
}

export function watchLoose(): Loose {
  const found: unknown[] = [];
  const add = (error: unknown): void => void found.push(error);
  const events = ['unhandledRejection', 'uncaughtException', 'warning'] as const;
  for (const event of events) process.on(event as 'warning', add);
  return {
    take: () => found.splice(0),
    end: () => {
      for (const event of events) process.off(event as 'warning', add);
    },
  };
}
