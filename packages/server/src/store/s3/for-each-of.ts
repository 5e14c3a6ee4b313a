/** As many requests as one call makes at a time. */
const AT_ONCE = 16;

/** Runs a task for each item, several at a time. */
export async function forEachOf<T>(items: Iterable<T>, task: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  async function work(): Promise<void> {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await task(next.value);
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
