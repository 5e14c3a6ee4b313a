import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openRegular } from './regular-file.ts';

/**
 * Makes a folder for the user only, with those above it. Not by `recursive`, which never ends where folders cannot be made
 * although what is above them exists, as below /proc.
 */
export async function makeFolder(dir: string): Promise<void> {
  const make = (): Promise<void> =>
    mkdir(dir, { mode: 0o700 }).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    const above = dirname(dir);
    if (codeOf(error) !== 'ENOENT' || above === dir) throw error;
    await makeFolder(above);
    await make();
  }
}

/** Reads a small file, and never waits for whoever might write into a pipe of that name. */
export async function readRegularText(file: string): Promise<string> {
  const { handle } = await openRegular(file);
  try {
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/** The system's code for what went wrong, also of an error that this package made of it. */
export function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (code === 'source-unreadable' && cause !== undefined) return codeOf(cause);
  return typeof code === 'string' ? code : 'unknown';
}
