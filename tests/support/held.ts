import type { ChildProcess } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Held } from './probe.js';

export type { Held } from './probe.js';

/** For `--import`. The same from here and from a bundle beside this folder. */
export const PROBE = fileURLToPath(new URL('../support/probe.js', import.meta.url));

/** What a child that has the probe holds. @throws when it has ended */
export function askHeld(child: ChildProcess): Promise<Held> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      child.off('message', onMessage).off('exit', onExit);
    };
    const onExit = (): void => {
      settle();
      reject(new Error('the process has ended'));
    };
    const onMessage = (message: unknown): void => {
      const held = (message as { readonly held?: Held }).held;
      if (!held) return;
      settle();
      resolve(held);
    };
    child.on('message', onMessage).once('exit', onExit);
    child.send('what do you hold?', (error) => error && reject(error));
  });
}

/** What a process has open, on Linux: sockets, and the names of files that are no part of the program. */
export interface OpenFiles {
  readonly sockets: number;
  readonly files: readonly string[];
}

export async function openFiles(pid: number | undefined): Promise<OpenFiles> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder);
  const links = await Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => '')));
  return {
    sockets: links.filter((link) => link.startsWith('socket:')).length,
    files: links.filter((link) => link.startsWith('/') && !/^\/(dev|proc|sys)\//.test(link)),
  };
}

/** How long the main thread of a process has waited for a processor, in ms, on Linux. */
export async function waitedMs(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').catch(() => '');
  return Number(text.split(' ')[1] ?? 0) / 1e6;
}

/** The most memory that a process has had, in bytes, on Linux. */
export async function peakRssBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}
