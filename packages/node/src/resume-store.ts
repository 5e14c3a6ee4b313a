import { createHash, randomUUID } from 'node:crypto';
import { mkdir, opendir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ResumeRecord, ResumeStore } from '@cos-slice/core';
import { createFileLocks } from './file-lock.ts';

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
 * written makes uploads forgetful, never fail.
 */
export function createFileResumeStore(options: FileResumeStoreOptions = {}): ResumeStore {
  const dir = resolve(options.dir ?? defaultStateDir());
  const maxAgeMs = options.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
  const locks = createFileLocks(dir);
  let swept = false;
  const fileOf = (key: string): string => join(dir, `${fileName(key)}.json`);

  return {
    async load(key) {
      if (!swept) sweep(dir, maxAgeMs);
      swept = true;
      const text = await readFile(fileOf(key), 'utf8').catch(() => undefined);
      if (text === undefined) return undefined;
      const record = parseRecord(text);
      if (record !== undefined && Date.now() - record.savedAtMs <= maxAgeMs) return record;
      await rm(fileOf(key), { force: true }).catch(() => {});
      return undefined;
    },
    async save(key, record) {
      const temporary = join(dir, `${fileName(key)}.${randomUUID()}.tmp`);
      try {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        await writeFile(temporary, JSON.stringify(record), { mode: 0o600, flag: 'wx' });
        await rename(temporary, fileOf(key));
      } catch {
        await rm(temporary, { force: true }).catch(() => {});
      }
    },
    async remove(key) {
      await rm(fileOf(key), { force: true }).catch(() => {});
    },
    lock: (key) => locks.acquire(fileName(key), key),
  };
}

/**
 * Where unfinished uploads are remembered: `$XDG_STATE_HOME/cos-slice` or `~/.local/state/cos-slice`; on macOS
 * `~/Library/Application Support/cos-slice`, on Windows `%LOCALAPPDATA%\cos-slice`.
 */
export function defaultStateDir(): string {
  const { env, platform } = process;
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'cos-slice');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'cos-slice');
  // The XDG specification has relative paths ignored.
  const state = env.XDG_STATE_HOME?.startsWith('/') ? env.XDG_STATE_HOME : join(homedir(), '.local', 'state');
  return join(state, 'cos-slice');
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
    Number.isSafeInteger(value.sizeBytes) &&
    Number.isSafeInteger(value.sliceSizeBytes) &&
    optional(value.session, 'string') &&
    optional(value.sha, 'string') &&
    optional(value.finishing, 'boolean') &&
    optional(value.overwrite, 'boolean') &&
    optional(value.attributes, 'string') &&
    (hash === undefined || (Number.isSafeInteger(hash?.hashedBytes) && typeof hash?.data === 'string'));
  return fits ? (value as unknown as ResumeRecord) : undefined;
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
