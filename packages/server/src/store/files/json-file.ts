import { readFile, rename, writeFile } from 'node:fs/promises';
import { ifPresent } from './fs-errors.ts';

/** Replaces a small file in one step, so that readers see the old or the new content. */
export async function writeJson(path: string, temporaryPath: string, value: unknown, fsync: boolean): Promise<void> {
  await writeFile(temporaryPath, JSON.stringify(value), { flush: fsync });
  await rename(temporaryPath, path);
}

/** Undefined when the file is missing or broken. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await ifPresent(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
