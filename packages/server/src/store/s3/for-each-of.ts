/** As many requests as one call makes at a time. */
const AT_ONCE = 16;

/**
 * Runs a task for each item, several at a time. Once one has failed no other begins, and those under way come to their end before
 * the failure is told.
 */
export async function forEachOf<T>(
  items: Iterable<T>,
  task: (item: T) => Promise<void>,
  atOnce: number = AT_ONCE,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  async function work(): Promise<void> {
    while (failures.length === 0) {
      const next = iterator.next();
      if (next.done) return;
      await task(next.value).catch((error) => failures.push(error));
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work));
  if (failures.length > 0) throw failures[0];
}
