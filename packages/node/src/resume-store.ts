import { createHash, randomUUID } from 'node:crypto';
import { opendir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { devNull, homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { OptionIssue, ResumeRecord, ResumeStore } from '@cos-slice/core';
import { createFileLocks } from './file-lock.ts';
import { refuseIssues } from './option-issues.ts';
import { codeOf, makeFolder, readRegularText } from './state-files.ts';
import { whenOpenable } from './waiting.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const DEFAULT_MAX_AGE_MS = 7 * DAY_MS;

export interface FileResumeStoreOptions {
  /** Default: `cos-slice` in the user's state directory, see `defaultStateDir`. */
  readonly dir?: string;
  /** Records older than this are forgotten, in ms. Default: 7 days. */
  readonly maxAgeMs?: number;
}

/**
 * Remembers unfinished uploads in small files, one per destination, which only the user can read. A directory that cannot be
 * written, or none at all, makes uploads forgetful (`UploadSnapshot.resumable`), never fail.
 *
 * @throws CosSliceError `invalid-options`
 */
export function createFileResumeStore(options: FileResumeStoreOptions = {}): ResumeStore {
  refuseWrong(options);
  const home = options.dir ?? defaultStateDir();
  // A name that no folder can have stands for none: locks hold within this process.
  const dir = home === undefined ? join(devNull, 'cos-slice') : resolve(home);
  const maxAgeMs = options.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
  const locks = createFileLocks(dir);
  let swept = false;
  const fileOf = (key: string): string => join(dir, `${fileName(key)}.json`);

  return {
    async load(key) {
      if (!swept) sweep(dir, maxAgeMs);
      swept = true;
      const text = await readRegularText(fileOf(key)).catch(() => undefined);
      if (text === undefined) return undefined;
      const record = parseRecord(text);
      if (record !== undefined && Date.now() - record.savedAtMs <= maxAgeMs) return record;
      await rm(fileOf(key), { force: true }).catch(() => {});
      return undefined;
    },
    async save(key, record) {
      const temporary = join(dir, `${fileName(key)}.${randomUUID()}.tmp`);
      try {
        await makeFolder(dir);
        await whenOpenable(() => writeFile(temporary, JSON.stringify(record), { mode: 0o600, flag: 'wx' }));
        await rename(temporary, fileOf(key));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => {});
        throw new Error(`${dir} cannot be written (${codeOf(error)}): unfinished uploads are not remembered`, {
          cause: error,
        });
      }
    },
    async remove(key) {
      await rm(fileOf(key), { force: true }).catch(() => {});
    },
    async lock(key, signal) {
      // Where it cannot be made, locks hold within this process.
      await makeFolder(dir).catch(() => {});
      return locks.acquire(fileName(key), `uploading to ${key}`, signal);
    },
  };
}

/**
 * Where unfinished uploads are remembered: `$XDG_STATE_HOME/cos-slice` or `~/.local/state/cos-slice`; on macOS
 * `~/Library/Application Support/cos-slice`, on Windows `%LOCALAPPDATA%\cos-slice`. Undefined for a user without a home.
 */
export function defaultStateDir(): string | undefined {
  const { env, platform } = process;
  const atHome = (...folders: string[]): string | undefined => {
    const home = homeOf();
    return home === undefined ? undefined : join(home, ...folders, 'cos-slice');
  };
  if (platform === 'win32') return env.LOCALAPPDATA ? join(env.LOCALAPPDATA, 'cos-slice') : atHome('AppData', 'Local');
  if (platform === 'darwin') return atHome('Library', 'Application Support');
  // The XDG specification has relative paths ignored.
  return env.XDG_STATE_HOME?.startsWith('/') ? join(env.XDG_STATE_HOME, 'cos-slice') : atHome('.local', 'state');
}

/** Containers run as users that no list of users knows; asking for their home throws. */
function homeOf(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined;
  }
}

function refuseWrong({ dir, maxAgeMs }: FileResumeStoreOptions): void {
  const issues: OptionIssue[] = [];
  if (dir !== undefined && (typeof dir !== 'string' || dir === '')) {
    issues.push({ option: 'dir', message: 'must be the path of a folder' });
  }
  if (maxAgeMs !== undefined && !(typeof maxAgeMs === 'number' && maxAgeMs >= 0)) {
    issues.push({ option: 'maxAgeMs', message: 'must be a number of ms' });
  }
  refuseIssues(issues);
}

function fileName(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

function parseRecord(text: string): ResumeRecord | undefined {
  let value: Partial<Record<keyof ResumeRecord, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const optional = (field: unknown, type: string): boolean => field === undefined || typeof field === type;
  const hash = value?.hash as ResumeRecord['hash'] | null;
  const fits =
    value?.version === 1 &&
    typeof value.identity === 'string' &&
    typeof value.savedAtMs === 'number' &&
    isCount(value.sizeBytes) &&
    isCount(value.sliceSizeBytes) &&
    value.sliceSizeBytes > 0 &&
    optional(value.wire, 'string') &&
    optional(value.initCalled, 'boolean') &&
    (value.name === undefined || isCount(value.name)) &&
    optional(value.session, 'string') &&
    optional(value.sha, 'string') &&
    optional(value.finishing, 'boolean') &&
    optional(value.overwrite, 'boolean') &&
    optional(value.attributes, 'string') &&
    optional(value.crc64, 'string') &&
    (value.integrity === undefined || value.integrity === 'crc64') &&
    (value.proven === undefined ||
      (Array.isArray(value.proven) && value.proven.every((tag) => typeof tag === 'string'))) &&
    (hash === undefined || (isCount(hash?.hashedBytes) && typeof hash?.data === 'string'));
  return fits ? (value as unknown as ResumeRecord) : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Removes what has expired, file by file, while the upload goes on. Locks in use are touched, so they stay. */
async function sweep(dir: string, maxAgeMs: number): Promise<void> {
  try {
    for await (const entry of await opendir(dir)) {
      if (!/^[0-9a-f]{64}\./.test(entry.name)) continue;
      const file = join(dir, entry.name);
      const { mtimeMs } = await stat(file);
      const limitMs = entry.name.endsWith('.json') ? maxAgeMs : Math.max(maxAgeMs, DAY_MS);
      if (Date.now() - mtimeMs > limitMs) await rm(file, { force: true });
    }
  } catch {
    // Next time.
  }
}
