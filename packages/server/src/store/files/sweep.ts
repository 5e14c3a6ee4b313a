import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ifPresent } from './fs-errors.ts';
import { hasFields, isText, readJson } from './json-file.ts';
import type { AsideNote, Layout } from './layout.ts';

/** Longer than anything stays in the spool without being written to. */
const SPOOL_MS = 3600 * 1000;

/** Removes what crashes and failures have left behind. Younger files may be in use, also by a server that has not quite stopped yet. */
export async function sweepSpool(layout: Layout): Promise<void> {
  for (const name of await readdir(layout.spool)) {
    // One that cannot be removed must not keep the others.
    await sweepOne(layout, join(layout.spool, name)).catch(() => {});
  }
}

async function sweepOne(layout: Layout, path: string): Promise<void> {
  if (!(await isOld(path))) return;
  const note = path.endsWith('.json') ? await readJson(path, isNote) : undefined;
  const aside = note && layout.asidePath(note);
  if (aside !== undefined) {
    // A large file may be on its way for longer than that.
    if ((await ifPresent(lstat(aside))) && !(await isOld(aside))) return;
    await rm(aside, { force: true });
  }
  await rm(path, { recursive: true, force: true });
}

/** Whether nothing has been written there for long. */
export async function isOld(path: string): Promise<boolean> {
  const facts = await ifPresent(lstat(path));
  return facts !== undefined && facts.mtimeMs < Date.now() - SPOOL_MS;
}

/** Removes a directory in one step, so that no half of it is ever seen. */
export async function removeAside(path: string, trashPath: string): Promise<void> {
  await ifPresent(rename(path, trashPath));
  await rm(trashPath, { recursive: true, force: true }).catch(() => {});
}

function isNote(value: unknown): value is AsideNote {
  return hasFields(value, { aside: isText });
}
