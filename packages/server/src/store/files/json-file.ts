import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode, ifPresent } from './fs-errors.ts';
import { syncDirectories } from './sync.ts';

/**
 * Replaces a small file in one step, so that readers see the old or the new content.
 *
 * @param mayReplace asked right before. Default: yes
 * @returns whether it did
 */
export async function writeJson(
  path: string,
  temporaryPath: string,
  value: unknown,
  fsync: boolean,
  mayReplace?: () => Promise<boolean>,
): Promise<boolean> {
  try {
    await writeFile(temporaryPath, JSON.stringify(value), { flush: fsync });
    if (mayReplace && !(await mayReplace())) {
      await rm(temporaryPath, { force: true });
      return false;
    }
    await rename(temporaryPath, path);
  } catch (error) {
    await rm(temporaryPath, { force: true }).catch(() => {});
    throw error;
  }
  if (fsync) await syncDirectories(dirname(path));
  return true;
}

/** Writes a small file where there is none. @returns false where there is one */
export async function createJson(path: string, value: unknown, fsync: boolean): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(value), { flush: fsync, flag: 'wx' });
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
  if (fsync) await syncDirectories(dirname(path));
  return true;
}

/**
 * Undefined when the file is missing, or is not what it should be: a power failure leaves empty and torn files, and
 * whoever writes the next one heals it.
 */
export async function readJson<T>(path: string, isWhole: (value: unknown) => value is T): Promise<T | undefined> {
  const text = await ifPresent(readFile(path, 'utf8')).catch((error) => {
    if (!hasCode(error, 'EISDIR')) throw error;
  });
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isWhole(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value is an object in which each of these fields passes its check. */
export function hasFields(value: unknown, checks: Readonly<Record<string, (field: unknown) => boolean>>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(checks).every(([name, check]) => check(fields[name]));
}

export const isText = (field: unknown): field is string => typeof field === 'string';
export const isTextOrNothing = (field: unknown): boolean => field === undefined || isText(field);
export const isTextsOrNothing = (field: unknown): boolean =>
  field === undefined || (typeof field === 'object' && field !== null && Object.values(field).every(isText));
export const isOriginOrNothing = (field: unknown): boolean =>
  field === undefined || hasFields(field, { path: isText, revision: isText });
