import { opendir } from 'node:fs/promises';
import { isCosSliceError, type ObjectClient, type Page } from '@cos-slice/core';
import { createNameTable, type NameTable } from './name-table.ts';

/** What is known of the files of a directory on the server. */
export interface RemoteNames {
  readonly exists: boolean;
  /** Undefined: there are so many that asking for each one that matters is cheaper. */
  readonly table: NameTable | undefined;
}

export const NOTHING: RemoteNames = { exists: false, table: createNameTable() };

/** A page tells of 199 entries, and comes after the one before it; requests for single files go several at once. */
const FILES_PER_PAGE = 16;
const FEWEST_PAGES = 2;
/** Some two million names, in some 100 MB. */
const MOST_PAGES = 10_000;
/** Local entries are counted up to here. */
const MOST_COUNTED = FILES_PER_PAGE * MOST_PAGES;

/**
 * Lists the files of a directory on the server, page by page, unless there are far more of them than here.
 *
 * @param local the same directory on this side
 * @throws CosSliceError
 */
export async function listNames(
  client: Pick<ObjectClient, 'listPage'>,
  path: string,
  local: string,
  signal: AbortSignal,
): Promise<RemoteNames> {
  const table = createNameTable();
  let mostPages = FEWEST_PAGES;
  let context: string | undefined;
  for (let pages = 0; ; pages += 1) {
    // Most directories have a page or two: what is here need not be counted for them.
    if (pages === FEWEST_PAGES) mostPages += Math.ceil((await countEntries(local)) / FILES_PER_PAGE);
    if (pages >= mostPages) return { exists: true, table: undefined };
    let page: Page;
    try {
      page = await client.listPage(path, { pattern: 'files', signal, ...(context !== undefined && { context }) });
    } catch (error) {
      if (pages === 0 && isCosSliceError(error, 'not-found')) return NOTHING;
      throw error;
    }
    for (const entry of page.entries) {
      if (entry.kind !== 'file') continue;
      const modifiedAtSec = Math.floor((entry.modifiedAt?.getTime() ?? 0) / 1000);
      table.set(entry.name, { sizeBytes: entry.sizeBytes, modifiedAtSec });
    }
    context = page.context;
    if (context === undefined) return { exists: true, table };
  }
}

async function countEntries(directory: string): Promise<number> {
  let count = 0;
  for await (const _entry of await opendir(directory, { bufferSize: 1024 })) {
    count += 1;
    if (count >= MOST_COUNTED) break;
  }
  return count;
}
