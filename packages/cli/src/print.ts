import { once } from 'node:events';

let hasGone = false;
process.stdout.once('error', () => {
  hasGone = true;
});

/** Prints a line, and waits for whoever reads slowly. */
export async function print(line: string): Promise<void> {
  if (!isRead() || process.stdout.write(`${line}\n`)) return;
  const over = new AbortController();
  const options = { signal: over.signal };
  await Promise.race([once(process.stdout, 'drain', options), once(process.stdout, 'close', options)]).catch(() => {});
  over.abort();
}

export function printJson(object: object): Promise<void> {
  return print(JSON.stringify(object));
}

/** Whether anybody still takes what is printed: `| head` leaves early. */
export function isRead(): boolean {
  return !hasGone;
}
