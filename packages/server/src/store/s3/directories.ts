import { isName } from '../../protocol/path.ts';
import type { DirectoryInfo, DirectoryStore, Entry, ListPage, ListRequest } from '../directory-store.ts';
import { keyOf } from '../directory-store.ts';
import { StoreError, type Target } from '../store.ts';
import { byBytes, type ListedObject, type ObjectPage } from './calls.ts';
import { directoryLock, markDirectory } from './directory-marker.ts';
import { type DirectoriesGround, moveDirectory } from './directory-move.ts';
import { forEachOf } from './for-each-of.ts';
import { infoOf } from './labels.ts';
import { S3Error } from './s3-error.ts';

const PAGE = 1000;
/** Behind all keys that begin like the one in front of it. */
const LAST = '\u{10ffff}';

/** A name on a page of the store's; of an object, with what the page says of it. */
type Name =
  | { readonly kind: 'object'; readonly name: string; readonly listed: ListedObject }
  | { readonly kind: 'directory'; readonly name: string };

/** An empty object whose key ends in a slash for each directory that somebody has created; others are what keys have in common. */
export function createS3Directories(ground: DirectoriesGround): DirectoryStore {
  const { calls, keys, objects, locker } = ground;

  /** Runs a task while nobody moves the directory, nor its marker with a directory above it. */
  const withLock = <T>(target: Target, task: () => Promise<T>) =>
    locker.withLock(directoryLock(target), () => objects.withLock({ ...target, path: `${target.path}/` }, task));

  async function stat(target: Target): Promise<DirectoryInfo | undefined> {
    const place = keys.directory(target);
    if (keys.isOwn(place)) return undefined;
    const head = target.path === '' ? undefined : await calls.head(place);
    if (head) {
      const { attributes, signedBy, origin, modifiedAtMs } = infoOf(head);
      return { attributes, signedBy, ...(origin && { origin }), isCreated: true, modifiedAtMs };
    }
    const { objects: found, prefixes } = await calls.list(place.bucket, place.key, { max: 1 });
    return found.length + prefixes.length > 0 ? { isCreated: false, modifiedAtMs: 0 } : undefined;
  }

  /** The names on a page of the store's, in order. */
  function namesOn({ objects: found, prefixes }: ObjectPage, bucket: string, inside: string): Name[] {
    const names: Name[] = [
      ...found.map((listed) => ({ kind: 'object' as const, name: listed.key.slice(inside.length), listed })),
      ...prefixes.map((prefix) => ({ kind: 'directory' as const, name: prefix.slice(inside.length, -1) })),
    ];
    return names
      .filter(({ name }) => isName(name) && !keys.isOwn({ bucket, key: inside + name }))
      .sort((one, other) => byBytes(keyOf(one), keyOf(other)));
  }

  /** What the store does not let us look at, such as what another tool has encrypted, is shown as far as the page tells of it. */
  async function describe(directory: Target, entry: Name): Promise<Entry | undefined> {
    const { name } = entry;
    const target = { ...directory, path: directory.path === '' ? name : `${directory.path}/${name}` };
    if (entry.kind === 'directory') {
      const info = await stat(target).catch(unlessRefused({ isCreated: false, modifiedAtMs: 0 }));
      return info && { kind: 'directory', name, info };
    }
    const { sizeBytes, modifiedAtMs, etag } = entry.listed;
    const info = await objects.stat(target).catch(unlessRefused({ sizeBytes, modifiedAtMs, revision: etag }));
    return info && { kind: 'object', name, info };
  }

  /** The names that are asked for, one more than fit on the page, and how many there are where one look at the store tells. */
  async function selectNames(
    { bucket, key: inside }: { bucket: string; key: string },
    request: ListRequest,
  ): Promise<{ names: Name[]; counts: ListPage['counts'] }> {
    const { kind, prefix, order, after, limit } = request;
    const isWanted = (entry: Name) =>
      (kind ?? entry.kind) === entry.kind &&
      entry.name.startsWith(prefix) &&
      (after === undefined || Math.sign(byBytes(keyOf(entry), after)) === (order === 'ascending' ? 1 : -1));
    const select = (names: readonly Name[]) => {
      const wanted = names.filter(isWanted);
      return (order === 'ascending' ? wanted : wanted.reverse()).slice(0, limit + 1);
    };

    const first = await calls.list(bucket, inside, { delimiter: '/' });
    if (first.nextMarker === undefined) {
      const names = namesOn(first, bucket, inside);
      const directories = names.filter((entry) => entry.kind === 'directory').length;
      return { names: select(names), counts: { directories, objects: names.length - directories } };
    }
    // From here on the store is asked for what begins with the prefix only. It has no other order than the ascending one.
    const found: Name[] = [];
    const isAscending = order === 'ascending';
    let marker = isAscending && after !== undefined ? inside + after + (after.endsWith('/') ? LAST : '') : undefined;
    for (;;) {
      const page = await calls.list(bucket, inside + prefix, { delimiter: '/', ...(marker && { marker }) });
      found.push(...namesOn(page, bucket, inside).filter(isWanted));
      marker = page.nextMarker?.endsWith('/') ? page.nextMarker + LAST : page.nextMarker;
      const isEnough = isAscending ? found.length > limit : false;
      if (marker === undefined || isEnough) return { names: select(found), counts: undefined };
      // What is wanted are the last ones before `after`: what comes first is of no use any more.
      if (!isAscending) found.splice(0, Math.max(0, found.length - PAGE));
      if (!isAscending && after !== undefined && byBytes(marker, inside + after) > 0) {
        return { names: select(found), counts: undefined };
      }
    }
  }

  return {
    stat,
    async list(target, request) {
      const { names, counts } = await selectNames(keys.directory(target), request);
      if (names.length === 0 && target.path !== '' && !(await stat(target))) return undefined;
      const entries: (Entry | undefined)[] = [];
      const shown = names.slice(0, request.limit);
      await forEachOf(shown.entries(), async ([index, name]) => {
        entries[index] = await describe(target, name);
      });
      return {
        // One that has gone since is left out.
        entries: entries.filter((entry) => entry !== undefined),
        hasMore: names.length > request.limit,
        ...(counts && { counts }),
      };
    },
    create: (target, labels) =>
      withLock(target, async () => {
        if ((await stat(target))?.isCreated) throw new StoreError('exists');
        await markDirectory(ground, target, labels, false);
      }),
    describe: (target, attributes) =>
      withLock(target, async () => {
        const known = await stat(target);
        if (known) await markDirectory(ground, target, { ...known, attributes }, false);
        return known !== undefined;
      }),
    move: (source, target, signedBy) =>
      moveDirectory(ground, source, target, async () => {
        const known = await stat(source);
        if (!known) return undefined;
        if ((await stat(target)) || (await objects.stat(target))) throw new StoreError('path-conflict');
        return { attributes: known.attributes, signedBy, origin: { path: source.path, revision: '' } };
      }),
    delete: (target) =>
      withLock(target, async () => {
        const place = keys.directory(target);
        const { objects: found } = await calls.list(place.bucket, place.key, { max: 2 });
        if (found.length === 0) return false;
        if (found.some(({ key }) => key !== place.key)) throw new StoreError('not-empty');
        await calls.delete(place);
        return true;
      }),
  };
}

/** What is known instead of what the store refuses to tell. */
const unlessRefused =
  <T>(known: T) =>
  (error: unknown): T => {
    if (!(error instanceof S3Error) || error.isPassing) throw error;
    return known;
  };
