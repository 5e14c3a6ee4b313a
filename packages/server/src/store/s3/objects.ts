import { randomBytes } from 'node:crypto';
import { PassThrough, pipeline } from 'node:stream';
import {
  type ObjectInfo,
  type ObjectLabels,
  type ObjectProperties,
  type OpenObject,
  StoreError,
  type Target,
} from '../store.ts';
import type { Calls, Head, Place } from './calls.ts';
import { copyLarge } from './copy-large.ts';
import { type Keys, targetHash } from './keys.ts';
import { headersOf, infoOf, type Labels } from './labels.ts';
import type { Lease, S3Locker } from './locker.ts';
import { isConditionFailed } from './s3-error.ts';
import type { S3Spool } from './spool.ts';

export interface ObjectsGround {
  readonly calls: Calls;
  readonly keys: Keys;
  readonly locker: S3Locker;
  /** The store copies no more at once. */
  readonly maxCopyBytes: number;
}

export interface Objects {
  head(target: Target): Promise<Head | undefined>;
  stat(target: Target): Promise<ObjectInfo | undefined>;
  open(target: Target): Promise<OpenObject | undefined>;
  /** The lock of a path, under which alone it is changed. */
  withLock<T>(target: Target, task: (lease: Lease) => Promise<T>): Promise<T>;
  /** Those of two paths. */
  withBoth<T>(one: Target, other: Target, task: (lease: Lease) => Promise<T>): Promise<T>;
  put(target: Target, spool: S3Spool, labels: ObjectLabels, overwrite: boolean): Promise<ObjectInfo>;
  /** Puts nothing there, when the lock is held already. */
  putEmpty(target: Target, labels: Labels, overwrite: boolean): Promise<void>;
  /** @throws StoreError `exists` */
  checkVacant(target: Target, overwrite: boolean): Promise<Head | undefined>;
  /** Copies what lies somewhere, under other labels. */
  copyBytes(source: Place, head: Head, target: Target, labels: Labels): Promise<void>;
  copyKnown(
    target: Target,
    content: { readonly sha: string; readonly sizeBytes: number },
    mayRead: (source: Target, info: ObjectInfo) => boolean,
    labels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo | undefined>;
  /** Notes where content with this SHA-1 is to be found. */
  remember(target: Target, sha: string | undefined): Promise<void>;
  /** Drops such a note, if it leads to this path, before the content there is replaced or removed. */
  forget(target: Target, sha: string | undefined): Promise<void>;
  delete(target: Target): Promise<boolean>;
  describe(target: Target, change: ObjectProperties): Promise<ObjectInfo | undefined>;
  /** @param moves whether the source is gone then */
  copy(
    source: Target,
    target: Target,
    signedBy: string,
    overwrite: boolean,
    moves: boolean,
  ): Promise<ObjectInfo | undefined>;
}

export const newRevision = (): string => randomBytes(8).toString('hex');

export function createObjects({ calls, keys, locker, maxCopyBytes }: ObjectsGround): Objects {
  const head = (target: Target) => calls.head(keys.object(target));
  const knownPlace = ({ appId, bucket }: Target, sha: string) => keys.own(`known/${appId}/${bucket}/${sha}`);
  const withLock = <T>(target: Target, task: (lease: Lease) => Promise<T>) => locker.withLock(targetHash(target), task);

  const withBoth = <T>(one: Target, other: Target, task: (lease: Lease) => Promise<T>) =>
    locker.withLocks([targetHash(one), targetHash(other)], task);

  async function stat(target: Target): Promise<ObjectInfo | undefined> {
    const there = await head(target);
    return there && infoOf(there);
  }

  async function checkVacant(target: Target, overwrite: boolean): Promise<Head | undefined> {
    const there = await head(target);
    if (there && !overwrite) throw new StoreError('exists');
    return there;
  }

  /** The labels of something new at a path: who may read it is as it was there. */
  function labelled(labels: ObjectLabels, there: Head | undefined): Labels & { readonly modifiedAtMs: number } {
    const authority = labels.authority ?? (there && infoOf(there).authority);
    return { ...labels, authority, revision: newRevision(), modifiedAtMs: Date.now() };
  }

  async function copyBytes(source: Place, from: Head, target: Target, labels: Labels): Promise<void> {
    const headers = headersOf(labels);
    if (from.sizeBytes <= maxCopyBytes) await calls.copy(source, from.etag, keys.object(target), headers);
    else await copyLarge({ calls, keys, maxCopyBytes }, source, from, target, headers);
  }

  async function putIfAllowed(place: Place, revision: string, put: () => Promise<unknown>): Promise<void> {
    await put().catch(async (error) => {
      if (!isConditionFailed(error)) throw error;
      // The reply to the first try may have got lost.
      const there = await calls.head(place);
      if (!there || infoOf(there).revision !== revision) throw new StoreError('exists', { cause: error });
    });
  }

  async function remember(target: Target, sha: string | undefined): Promise<void> {
    // Nothing but an instant upload less, when that fails.
    if (sha !== undefined) {
      await calls.put(knownPlace(target, sha), JSON.stringify({ path: target.path })).catch(() => {});
    }
  }

  async function holderOf(target: Target, sha: string): Promise<Target | undefined> {
    const known = await calls.read(knownPlace(target, sha));
    return known && { ...target, path: (JSON.parse(known.text) as { path: string }).path };
  }

  async function forget(target: Target, sha: string | undefined): Promise<void> {
    if (sha === undefined) return;
    const known = await holderOf(target, sha);
    if (known?.path === target.path) await calls.delete(knownPlace(target, sha));
  }

  /** The same for what other content replaces. */
  async function forgetReplaced(target: Target, there: Head | undefined, sha: string | undefined): Promise<void> {
    const old = there && infoOf(there).sha;
    if (old !== sha) await forget(target, old);
  }

  return {
    head,
    stat,
    withLock,
    withBoth,
    checkVacant,
    copyBytes,
    remember,
    forget,
    async open(target) {
      const place = keys.object(target);
      const there = await calls.head(place);
      if (!there) return undefined;
      return {
        info: infoOf(there),
        stream(start, end) {
          const out = new PassThrough();
          calls.open(place, { start, end }, there.etag).then(
            (reply) => pipeline(reply, out, () => {}),
            (error) => out.destroy(error),
          );
          return out;
        },
        close: async () => {},
      };
    },
    async put(target, spool, labels, overwrite) {
      const body = await spool.body();
      const putting = withLock(target, async (lease) => {
        const there = await checkVacant(target, overwrite);
        const all = labelled(labels, there);
        const headers = { ...headersOf(all), 'content-md5': body.md5 };
        const place = keys.object(target);
        await forgetReplaced(target, there, labels.sha);
        lease.check();
        await putIfAllowed(place, all.revision, () => calls.put(place, body, { headers, ifNew: !overwrite }));
        await remember(target, labels.sha);
        return { ...all, sizeBytes: body.sizeBytes };
      });
      return putting.finally(() => spool.abort());
    },
    async putEmpty(target, labels, overwrite) {
      const place = keys.object(target);
      await putIfAllowed(place, labels.revision, () =>
        calls.put(place, '', { headers: headersOf(labels), ifNew: !overwrite }),
      );
    },
    async copyKnown(target, { sha, sizeBytes }, mayRead, labels, overwrite) {
      await checkVacant(target, overwrite);
      const source = await holderOf(target, sha);
      const known = source && (await stat(source));
      // What replaced it came past the servers.
      if (source && known?.sha !== sha) await forget(source, sha);
      if (!source || known?.sha !== sha || known.sizeBytes !== sizeBytes || !mayRead(source, known)) return undefined;
      return withBoth(source, target, async (lease) => {
        const from = await head(source);
        if (!from || infoOf(from).revision !== known.revision) return undefined;
        const there = await checkVacant(target, overwrite);
        const all = labelled({ ...labels, sha }, there);
        await forgetReplaced(target, there, sha);
        lease.check();
        await copyBytes(keys.object(source), from, target, all);
        return { ...all, sizeBytes };
      });
    },
    delete: (target) =>
      withLock(target, async (lease) => {
        const there = await stat(target);
        if (!there) return false;
        await forget(target, there.sha);
        lease.check();
        await calls.delete(keys.object(target));
        return true;
      }),
    describe: (target, change) =>
      withLock(target, async (lease) => {
        const there = await head(target);
        if (!there) return undefined;
        const info = { ...infoOf(there), ...change };
        lease.check();
        await copyBytes(keys.object(target), there, target, info);
        return info;
      }),
    copy: (source, target, signedBy, overwrite, moves) =>
      withBoth(source, target, async (lease) => {
        const from = await head(source);
        if (!from) return undefined;
        const there = await checkVacant(target, overwrite);
        const { attributes, headers, sha, revision, authority = there && infoOf(there).authority } = infoOf(from);
        const origin = { path: source.path, revision };
        const all = labelled({ attributes, authority, headers, sha, signedBy, origin }, undefined);
        await forgetReplaced(target, there, sha);
        lease.check();
        await copyBytes(keys.object(source), from, target, all);
        if (moves) {
          await remember(target, sha);
          lease.check();
          await calls.delete(keys.object(source));
        }
        return { ...all, sizeBytes: from.sizeBytes };
      }),
  };
}
