import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { askHeld, openFiles } from '../support/held.ts';
import type { Line } from './line.ts';
import type { Client, Server } from './world.ts';

/** Idle connections, threads and timers go after some seconds; after this long what is there has been left. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 500;

/** What a process holds when it has nothing to do. */
export interface Rest {
  readonly resources: Readonly<Record<string, number>>;
  readonly sockets: number;
  readonly files: readonly string[];
}

export async function restOf(child: Client['process']): Promise<Rest> {
  const { resources } = await askHeld(child);
  return { resources, ...(process.platform === 'linux' ? await openFiles(child.pid) : { sockets: 0, files: [] }) };
}

/** What is more than before, for people. */
export function moreThan(before: Rest, now: Rest): string[] {
  const more: string[] = [];
  const compare = (name: string, had = 0, has = 0): void => {
    if (has > had) more.push(`${has - had} ${name}`);
  };
  for (const [name, count] of Object.entries(now.resources)) compare(name, before.resources[name], count);
  compare('sockets', before.sockets, now.sockets);
  for (const file of now.files) if (!before.files.includes(file)) more.push(`open file ${file}`);
  return more;
}

/** Looks until nothing is left, or for as long as patience lasts. @returns what is left then */
export async function untilNothing(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const giveUpAtMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const left = await look();
    if (left.length === 0 || performance.now() > giveUpAtMs) return left;
    await delay(LOOK_EVERY_MS);
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

/** What may stay: signatures that were used once are remembered for as long as they are good. */
const isKept = (path: string): boolean => /\/\.cos-slice\/once\//.test(path);

/** Files that uploads have left behind on either side. */
export async function filesLeft(client: Client, server: Server): Promise<string[]> {
  const folders = [client.tmp, client.state, server.tmp, server.root];
  return (await Promise.all(folders.map(filesBelow))).flat().filter((path) => !isKept(path));
}

/** What a server that was killed has left in its spool is cleared away after an hour by any other: an hour passes. */
export async function letAnHourPass(server: Server): Promise<void> {
  const spool = join(server.root, '.cos-slice/spool');
  const before = new Date(Date.now() - 2 * 3600 * 1000);
  for (const name of await readdir(spool).catch(() => [])) await utimes(join(spool, name), before, before);
}

export const lineLeft = (line: Line): string[] => (line.open === 0 ? [] : [`${line.open} connections to the line`]);
