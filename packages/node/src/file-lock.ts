import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, readFile, readlink, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CosSliceError } from '@cos-slice/core';
import { codeOf, readRegularText } from './state-files.ts';
import { untilAborted, whenOpenable } from './waiting.ts';

const HEARTBEAT_MS = 2_000;
/**
 * A holder that cannot be asked (another machine or container, no /proc) is given up when its heart has stood still for this
 * long. It is watched, and no clock of another machine is believed.
 */
const SILENCE_MS = 10_000;
const WATCH_MS = 500;
const ATTEMPTS = 10;
const RETRY_MS = 20;

export interface FileLocks {
  /**
   * Waits while it cannot tell whether a holder is alive, up to 10 s.
   *
   * @param name of the lock's file, without extension
   * @param subject what the holder does, for the message: `uploading to films/a`
   * @returns the unlock function
   * @throws CosSliceError `locked`; `signal.reason` when aborted
   */
  acquire(name: string, subject: string, signal?: AbortSignal): Promise<() => Promise<void>>;
}

/**
 * Who holds a lock. A process is told from a later one with the same id by its start time and the machine's boot; ids mean
 * something within one namespace only.
 */
interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly boot?: string;
  readonly pids?: string;
  readonly startedAt?: string;
  readonly token: string;
}

/** Keys held in this process, for when the directory cannot be written. */
const heldHere = new Set<string>();

/**
 * Locks between processes as files in `dir`, which is there. The lock of a process that died is taken over at once. Where files cannot be
 * written, locks hold within this process only.
 */
export function createFileLocks(dir: string): FileLocks {
  return {
    async acquire(name, subject, signal) {
      const file = join(dir, `${name}.lock`);
      if (heldHere.has(file)) throw locked(subject, `this process (pid ${process.pid})`);
      heldHere.add(file);
      let token: string | undefined;
      try {
        token = await acquireFile(file, subject, signal);
      } catch (error) {
        heldHere.delete(file);
        throw error;
      }
      const heartbeat = setInterval(() => {
        const now = new Date();
        utimes(file, now, now).catch(() => {});
      }, HEARTBEAT_MS).unref();
      let held = true;
      return async () => {
        if (!held) return;
        held = false;
        clearInterval(heartbeat);
        const holder = await readHolder(file);
        // Not ours when it was taken over, say while the machine slept.
        if (holder && holder.token === token) await rm(file, { force: true }).catch(() => {});
        heldHere.delete(file);
      };
    },
  };
}

/** @returns the token in the file, or undefined where no file can be written */
async function acquireFile(
  file: string,
  subject: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const me = await describeSelf();
  const mine = `${file}.${me.token}`;
  try {
    try {
      await whenOpenable(() => writeFile(mine, JSON.stringify(me), { mode: 0o600, flag: 'wx' }), signal);
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const error = await claim(mine, file).then(() => undefined, codeOf);
      if (error === undefined) return me.token;
      if (error !== 'EEXIST') return undefined;
      const holder = await readHolder(file);
      if (holder === undefined) continue;
      if (await isAlive(holder, file, signal)) throw locked(subject, `another process (pid ${holder?.pid})`);
      if (await inherit(file, mine, tokenOf(holder), tokenOf(holder))) return me.token;
      await delay(Math.random() * RETRY_MS);
    }
    throw locked(subject, 'another process');
  } finally {
    await rm(mine, { force: true }).catch(() => {});
  }
}

/**
 * Gives the content of `mine` to a file that must not be there. A link appears whole or not at all; where the file system has
 * none, a reader may find a file that is still being written.
 */
async function claim(mine: string, file: string): Promise<void> {
  try {
    await link(mine, file);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    await copyFile(mine, file, constants.COPYFILE_EXCL);
  }
}

/**
 * Replaces a dead lock. Many may find it dead at once, and some of them late, when it has been replaced already; so each dead
 * token has one heir, whoever makes its file first, and only the heir may replace the lock. An heir that died before it did
 * has an heir in turn.
 *
 * @param deadToken in the lock
 * @param ancestor whose heir to become: `deadToken`, or a dead heir
 * @returns whether the lock is ours
 */
async function inherit(file: string, mine: string, deadToken: string, ancestor: string): Promise<boolean> {
  const heir = `${file}.${ancestor}.heir`;
  try {
    await claim(mine, heir);
  } catch {
    const other = await readHolder(heir);
    if (other === undefined || (await isAlive(other, heir, undefined))) return false;
    const inherited = await inherit(file, mine, deadToken, tokenOf(other));
    if (inherited) await rm(heir, { force: true });
    return inherited;
  }
  try {
    const holder = await readHolder(file);
    if (holder === undefined || tokenOf(holder) !== deadToken) return false;
    await rename(mine, file);
    return true;
  } catch {
    return false;
  } finally {
    await rm(heir, { force: true }).catch(() => {});
  }
}

function tokenOf(holder: Holder | null): string {
  return holder?.token ?? 'unreadable';
}

/** @returns undefined when there is no lock, null when it is unreadable, and still is after a while */
async function readHolder(file: string, isWritten = false): Promise<Holder | null | undefined> {
  try {
    const value: unknown = JSON.parse(await readRegularText(file));
    const { pid, host, token } = value as Partial<Holder>;
    // The token becomes part of a file name.
    const fits = Number.isInteger(pid) && typeof host === 'string' && /^[\w-]{1,64}$/.test(token ?? '');
    return fits ? (value as Holder) : null;
  } catch (error) {
    if (error instanceof SyntaxError && !isWritten) {
      await delay(WATCH_MS);
      return readHolder(file, true);
    }
    return codeOf(error) === 'ENOENT' ? undefined : null;
  }
}

async function isAlive(holder: Holder | null, file: string, signal: AbortSignal | undefined): Promise<boolean> {
  if (holder === null) return false;
  const here = await describeSelf();
  // Names of machines are no proof: containers share them, or change them.
  const sameMachine = here.boot === undefined ? holder.host === here.host : holder.boot === here.boot;
  if (sameMachine && holder.pids === here.pids) {
    if (!processExists(holder.pid)) return false;
    if (holder.startedAt !== undefined) return (await startTimeOf(holder.pid)) === holder.startedAt;
  }
  return beats(file, signal);
}

/** Watches a lock for as long as it may be silent. @returns whether its holder touches it; false as well once it is gone */
async function beats(file: string, signal: AbortSignal | undefined): Promise<boolean> {
  // One that cannot be looked at may be held.
  const touchedAt = (): Promise<number | undefined> =>
    stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      (error) => (codeOf(error) === 'ENOENT' ? undefined : Number.NaN),
    );
  const before = await touchedAt();
  const endMs = performance.now() + SILENCE_MS;
  while (before !== undefined && performance.now() < endMs) {
    await untilAborted(delay(WATCH_MS), signal);
    const now = await touchedAt();
    if (now !== before) return now !== undefined;
  }
  return false;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function describeSelf(): Promise<Holder> {
  const [boot, pids, startedAt] = await Promise.all([bootId(), pidNamespace(), startTimeOf(process.pid)]);
  return {
    pid: process.pid,
    host: hostname(),
    token: randomUUID(),
    ...(boot !== undefined && { boot }),
    ...(pids !== undefined && { pids }),
    ...(startedAt !== undefined && { startedAt }),
  };
}

let boot: Promise<string | undefined> | undefined;

/** Stands for the time from one start of the machine to the next; undefined where there is no /proc. */
export function bootId(): Promise<string | undefined> {
  boot ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
  return boot;
}

/** Linux's number of it; undefined elsewhere. */
function pidNamespace(): Promise<string | undefined> {
  return readlink('/proc/self/ns/pid').catch(() => undefined);
}

/** Clock ticks after boot, from Linux's /proc; undefined elsewhere, and for a process that is dead but not yet reaped. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field is the command in parentheses, which may hold anything.
  const [state = 'Z', ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : fields[18];
}

function locked(subject: string, holder: string): CosSliceError {
  return new CosSliceError('locked', `${holder} is ${subject} already: wait for it, or stop it`);
}
