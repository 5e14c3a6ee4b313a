import { createInterface } from 'node:readline';

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks on the terminal. @returns whether it was answered with yes. @throws `signal.reason` when aborted */
export async function ask(question: string, signal: AbortSignal): Promise<boolean> {
  process.stderr.write(`${question} [y/N] `);
  // Not `terminal`: the terminal itself edits the line, and makes signals of Ctrl-C.
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      const leave = (): void => {
        process.stderr.write('\n');
        reject(signal.reason);
      };
      lines.once('close', () => resolve(''));
      signal.addEventListener('abort', leave, { once: true });
    });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
    process.stdin.pause();
  }
}
