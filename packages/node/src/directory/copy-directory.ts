import { isDeepStrictEqual } from 'node:util';
import { CosSliceError, type Entry, type FileEntry, isCosSliceError } from '@cos-slice/core';
import { type Client, type ClientOptions, createClient } from '../client.ts';
import { refuseIssues } from '../option-issues.ts';
import { directoryIssues, refuseDirectoryIssues, toDirectoryPath } from './check.ts';
import type { UploadSettings } from './file-client.ts';
import { createFilter } from './filter.ts';
import { DRY, toUploadMoving } from './moving.ts';
import { createNameTable, type NameTable, type Remembered } from './name-table.ts';
import { createTransfer, type Moving, type Work } from './transfer.ts';
import { type DirectoryOptions, type DirectoryTransfer, FILES_AT_ONCE, type Skip } from './types.ts';

export interface CopyDirectoryOptions
  extends Omit<DirectoryOptions, 'followSymlinks' | 'skip'>,
    Omit<UploadSettings, 'mayGrow'> {
  /** What is copied: a directory, or a file (a path without a slash at its end). Default: the bucket. */
  readonly from?: string;
  /** What it becomes. Default: the bucket. */
  readonly to?: string;
  /**
   * As for other directories. `unchanged` (default): of the same size, and not older than what is copied or known to be the same
   * by its SHA-1 or MD5. `same-content`: by these alone.
   */
  readonly skip?: Exclude<Skip, (...given: never[]) => unknown>;
}

const MAX_DEPTH = 512;
/** What goes in one request has been compared by then. */
const UNCHECKED_BYTES = 8 * 1024 * 1024;

/** An object that is to be copied, and what is known of the directory that it goes to. */
type Found =
  | { readonly kind: 'file'; readonly at: string; readonly entry: FileEntry; readonly there: Promise<NameTable> }
  | { readonly kind: 'empty'; readonly at: string };

/**
 * Copies a directory, or a file, from one server to another: whatever wires they speak. Nothing is kept on this machine: slices
 * are read from the one in ranges and sent to the other, as many at once as there may be requests. Within one bucket, and
 * on the XML API of COS and on S3 between buckets of one server and one account, the server itself copies. Run again, it sends what is missing or has changed, and goes on with a file that was half sent.
 *
 * @throws CosSliceError `invalid-options`, at once. `done` as of `uploadDirectory`
 * @example
 * await copyDirectory(
 *   { endpoint: cosEndpoint('sh'), appId, bucket: 'films', signer },
 *   { wire: s3({ endpoint, bucket: 'films' }), signer: { secretId, secretKey } },
 *   { from: '2024/' },
 * ).done;
 */
export function copyDirectory(
  source: ClientOptions,
  target: ClientOptions,
  options: CopyDirectoryOptions = {},
): DirectoryTransfer {
  const issues = [...directoryIssues('from', options?.from), ...directoryIssues('to', options?.to)];
  refuseDirectoryIssues('/', options, issues);
  const { from: wanted = '', to = '', include, exclude, skip = 'unchanged', dryRun = false } = options;
  const { integrity, onConflict, resume, sliceSize, singleRequestMax } = options;
  const isFile = wanted !== '' && !wanted.endsWith('/');
  const [sourceClient, targetClient] = [createClient(source), createClient(target)];
  const [here, there] = [placeOf(source), placeOf(target)];
  const isOneServer = isDeepStrictEqual(here.server, there.server);
  const inPlace = isOneServer && here.bucket === there.bucket;
  // The JSON API copies within a bucket. Who may write to another one may not be who may read from this one.
  const isOneAccount = isOneServer && isDeepStrictEqual(source.signer, target.signer);
  const byServer = inPlace || (isOneAccount && source.wire?.objects?.copiesBetweenBuckets === true);
  const [top, base] = isFile
    ? [wanted.replace(/^\/+/, ''), to.replace(/^\/+/, '')]
    : [toDirectoryPath(wanted), toDirectoryPath(to)];
  if (inPlace && (top === base || (!isFile && base.startsWith(top)))) {
    refuseIssues([{ option: 'to', message: 'must not be what is copied, nor in it' }]);
  }
  const filter = createFilter(include, exclude);
  const own = {
    ...(integrity !== undefined && { integrity }),
    ...(onConflict !== undefined && { onConflict }),
    ...(resume !== undefined && { resume }),
    ...(sliceSize !== undefined && { sliceSize }),
    ...(singleRequestMax !== undefined && { singleRequestMax }),
  };

  async function* list(path: string, depth: number, work: Work): AsyncGenerator<Found, void, undefined> {
    const there = namesAt(targetClient, base + path, work.signal);
    // Whoever needs it is told.
    there.catch(() => {});
    let isEmpty = true;
    for await (const entry of sourceClient.list(top + path, { signal: work.signal })) {
      isEmpty = false;
      const at = path + entry.name + (entry.kind === 'directory' ? '/' : '');
      if (entry.name === '' || entry.path !== top + at) work.problem(at, 'name');
      else if (entry.kind === 'file') {
        if (filter.file(at)) yield { kind: 'file', at, entry, there };
      } else if (!filter.directory(at)) continue;
      else if (depth >= MAX_DEPTH) work.problem(at, 'too-deep');
      else yield* list(at, depth + 1, work);
    }
    if (isEmpty && path !== '') yield { kind: 'empty', at: path };
  }

  async function* entries(work: Work): AsyncGenerator<Found, void, undefined> {
    if (!isFile) {
      if (top !== '') await sourceClient.stat(top, { signal: work.signal });
      return yield* list('', 0, work);
    }
    const entry = await sourceClient.stat(top, { signal: work.signal });
    if (entry.kind === 'file') yield { kind: 'file', at: '', entry, there: fileAt(targetClient, base, work.signal) };
  }

  const start = (entry: FileEntry, at: string, work: Work): Moving => {
    if (dryRun) return DRY;
    const to = base + at;
    const overwrite = skip !== 'existing';
    if (!byServer) {
      const upload = { ...own, overwrite: overwrite || ('skip' as const), signal: work.signal };
      const moving = toUploadMoving(targetClient.upload(sourceClient.object(entry.path), to, upload));
      const done = moving.done.then(async (result) => {
        if (!result.skipped && entry.sizeBytes > UNCHECKED_BYTES) await compare(entry, to, work.signal);
        return result;
      });
      return { ...moving, done };
    }
    const into = inPlace ? {} : { bucket: there.bucket };
    const copied = sourceClient.copy(entry.path, to, { overwrite, signal: work.signal, ...into });
    return { ...DRY, done: copied.then(() => ({ resumedBytes: 0 })) };
  };

  /** What both servers know of what has been copied. @throws CosSliceError `integrity` */
  const compare = async ({ path }: FileEntry, to: string, signal: AbortSignal): Promise<void> => {
    const [one, other] = await Promise.all([sourceClient.stat(path, { signal }), targetClient.stat(to, { signal })]);
    if (one.kind === 'file' && other.kind === 'file' && !differs(one, other)) return;
    throw new CosSliceError('integrity', `${JSON.stringify(to)} is not what ${JSON.stringify(path)} is: copy it again`);
  };

  const handle = (found: Found, work: Work): Promise<void> =>
    work.attempt(found.at, async () => {
      if (found.kind === 'empty') {
        if (await isThere(targetClient, base + found.at, work.signal)) return;
        if (!dryRun) await targetClient.createDirectory(base + found.at, { signal: work.signal });
        return work.created(found.at);
      }
      const { entry, at, there } = found;
      const { sizeBytes } = entry;
      work.found(sizeBytes);
      const known = (await there).get(at.slice(at.lastIndexOf('/') + 1));
      if (
        known &&
        (await isSameObject(skip, entry, known, { source: sourceClient, target: targetClient, to: base + at, work }))
      ) {
        return work.skipped(at, sizeBytes);
      }
      try {
        await work.move(at, sizeBytes, () => start(entry, at, work));
      } catch (error) {
        // One server has names that the other one cannot have.
        if (!isCosSliceError(error, 'invalid-options')) throw error;
        work.problem(at, 'name');
      }
    });

  return createTransfer<Found>({
    ...options,
    filesAtOnce: FILES_AT_ONCE,
    entries,
    handle,
    async countAll(add, signal) {
      const count = async (path: string, depth: number): Promise<void> => {
        for await (const entry of sourceClient.list(top + path, { signal })) {
          const at = `${path}${entry.name}/`;
          if (entry.kind === 'file') {
            if (filter.file(path + entry.name)) add(entry.sizeBytes);
          } else if (filter.directory(at) && depth < MAX_DEPTH) await count(at, depth + 1);
        }
      };
      if (isFile) add((await sourceClient.stat(top, { signal }).then(sizeOf)) ?? 0);
      else await count('', 0);
    },
    removeExtra: (work) => (isFile ? Promise.resolve() : removeExtra('', work)),
  });

  /** Removes what is in a directory of the target and not of the source. */
  async function removeExtra(path: string, work: Work): Promise<void> {
    const names = new Set<string>();
    for await (const entry of sourceClient.list(top + path, { signal: work.signal })) names.add(nameIn(entry));
    for await (const entry of targetClient.list(base + path, { signal: work.signal })) {
      const at = path + nameIn(entry);
      if (!(entry.kind === 'directory' ? filter.directory(at) : filter.file(at))) continue;
      if (!names.has(nameIn(entry))) await removeTree(entry, at, work);
      else if (entry.kind === 'directory') await removeExtra(at, work);
    }
  }

  async function removeTree(entry: Entry, at: string, work: Work): Promise<void> {
    if (entry.kind === 'directory') {
      for await (const inside of targetClient.list(base + at, { signal: work.signal })) {
        const below = at + nameIn(inside);
        if (inside.kind === 'directory' ? filter.directory(below) : filter.file(below))
          await removeTree(inside, below, work);
      }
    }
    await work.attempt(at, async () => {
      try {
        if (!dryRun) await targetClient.remove(base + at, { signal: work.signal });
      } catch (error) {
        // What is excluded stays, and a directory may be there only as long as something is in it.
        if (isCosSliceError(error, 'not-empty')) return;
        if (!isCosSliceError(error, 'not-found')) throw error;
      }
      work.deleted(at);
    });
  }
}

function nameIn({ name, kind }: Entry): string {
  return kind === 'directory' ? `${name}/` : name;
}

function sizeOf(entry: Entry): number | undefined {
  return entry.kind === 'file' ? entry.sizeBytes : undefined;
}

/** A bucket, and what is the same of all buckets of its server. */
function placeOf({ wire, endpoint, appId, bucket }: ClientOptions): {
  readonly bucket: string;
  readonly server: unknown;
} {
  if (!wire?.place)
    return { bucket: String(bucket), server: ['json', String(endpoint).replace(/\/+$/, ''), String(appId)] };
  const { place } = wire;
  // The hosts of COS begin with the bucket.
  const server = place.endpoint.replace(`//${place.bucket}-${place.appId}.`, '//');
  return { bucket: place.bucket, server: [wire.name, server, place.appId] };
}

/** As far as both servers tell. */
function differs(one: FileEntry, other: FileEntry): boolean {
  const isOther = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b;
  return one.sizeBytes !== other.sizeBytes || isOther(one.sha1, other.sha1) || isOther(one.md5, other.md5);
}

async function isThere(client: Client, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.stat(path, { signal });
    return true;
  } catch (error) {
    if (isCosSliceError(error, 'not-found')) return false;
    throw error;
  }
}

function remembered({ sizeBytes, modifiedAt }: FileEntry): Remembered {
  return { sizeBytes, modifiedAtSec: Math.floor((modifiedAt?.getTime() ?? 0) / 1000) };
}

/** The files of a directory of the target. */
async function namesAt(client: Client, path: string, signal: AbortSignal): Promise<NameTable> {
  const table = createNameTable();
  try {
    for await (const entry of client.list(path, { pattern: 'files', signal })) {
      if (entry.kind === 'file') table.set(entry.name, remembered(entry));
    }
  } catch (error) {
    if (!isCosSliceError(error, 'not-found')) throw error;
  }
  return table;
}

async function fileAt(client: Client, path: string, signal: AbortSignal): Promise<NameTable> {
  const table = createNameTable();
  try {
    const entry = await client.stat(path, { signal });
    if (entry.kind === 'file') table.set('', remembered(entry));
  } catch (error) {
    if (!isCosSliceError(error, 'not-found')) throw error;
  }
  return table;
}

interface Sides {
  readonly source: Client;
  readonly target: Client;
  readonly to: string;
  readonly work: Work;
}

/** Whether an object that is on both sides need not be copied. */
async function isSameObject(
  skip: CopyDirectoryOptions['skip'],
  entry: FileEntry,
  there: Remembered,
  { source, target, to, work }: Sides,
): Promise<boolean> {
  if (skip === false) return false;
  if (skip === 'existing') return true;
  if (there.sizeBytes !== entry.sizeBytes) return false;
  if (skip === 'same-size') return true;
  const here = remembered(entry);
  // An object has the time of its upload.
  if (skip !== 'same-content' && here.modifiedAtSec <= there.modifiedAtSec) return true;
  const { signal } = work;
  const [one, other] = await Promise.all([source.stat(entry.path, { signal }), target.stat(to, { signal })]);
  if (one.kind !== 'file' || other.kind !== 'file') return false;
  if (one.sha1 !== undefined && other.sha1 !== undefined) return one.sha1 === other.sha1;
  return one.md5 !== undefined && one.md5 === other.md5;
}
