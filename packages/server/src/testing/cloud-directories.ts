import {
  type DirectoryInfo,
  type DirectoryLabels,
  type DirectoryStore,
  type Entry,
  keyOf,
} from '../store/directory-store.ts';
import { type ObjectInfo, StoreError, type Target } from '../store/store.ts';
import type { Cloud, CloudEntry } from './cloud.ts';
import { entryOf, factsOf } from './cloud-entry.ts';

interface Keys {
  objectKey(target: Target): string;
  markerKey(target: Target): string;
  infoOf(entry: CloudEntry): ObjectInfo;
}

interface Marker extends DirectoryLabels {
  readonly atMs: number;
}

const ASCENDING = (one: Entry, other: Entry) => Buffer.compare(Buffer.from(keyOf(one)), Buffer.from(keyOf(other)));

/** Directories where there are none: a marker for each that somebody has created, and whatever paths have in common. */
export function createDirectories(cloud: Cloud, { objectKey, markerKey, infoOf }: Keys): DirectoryStore {
  const join = (target: Target, name: string) => ({
    ...target,
    path: target.path === '' ? name : `${target.path}/${name}`,
  });
  const inside = (target: Target) => (target.path === '' ? objectKey(target) : `${objectKey(target)}/`);

  async function keysBelow(target: Target): Promise<{ key: string; name: string }[]> {
    const prefixes = [inside(target), target.path === '' ? markerKey(target).slice(0, -1) : markerKey(target)];
    const found = await Promise.all(prefixes.map((prefix) => cloud.list(prefix)));
    return found.flatMap((keys, i) =>
      keys.map(({ key }) => ({ key, name: key.slice((prefixes[i] as string).length) })),
    );
  }

  async function stat(target: Target): Promise<DirectoryInfo | undefined> {
    const entry = await cloud.get(markerKey(target));
    if (entry) {
      const { atMs, ...labels } = factsOf<Marker>(entry);
      return { ...labels, isCreated: true, modifiedAtMs: atMs };
    }
    const hasMore = (await keysBelow(target)).length > 0;
    return hasMore ? { isCreated: false, modifiedAtMs: 0 } : undefined;
  }

  const mark = (labels: DirectoryLabels) => entryOf({ ...labels, atMs: Date.now() });

  async function moveKey(key: string, toKey: string): Promise<void> {
    const entry = await cloud.get(key);
    if (entry) await cloud.update(toKey, () => entry);
    await cloud.update(key, () => undefined);
  }

  return {
    stat,
    async list(target, { kind, prefix, order, after, limit }) {
      if (target.path !== '' && !(await stat(target))) return undefined;
      const names = new Set(
        (await keysBelow(target)).map(({ name }) => name.split('/')).filter(([name]) => name !== ''),
      );
      const keys = new Set([...names].map((parts) => (parts.length > 1 ? `${parts[0]}/` : (parts[0] as string))));
      const all: Entry[] = [];
      for (const key of keys) {
        const name = key.replace(/\/$/, '');
        const object = key === name ? await cloud.get(objectKey(join(target, name))) : undefined;
        const directory = key === name ? undefined : await stat(join(target, name));
        if (object) all.push({ kind: 'object', name, info: infoOf(object) });
        if (directory) all.push({ kind: 'directory', name, info: directory });
      }
      const isBehind = (entry: Entry) => {
        if (after === undefined) return true;
        const compared = Buffer.compare(Buffer.from(keyOf(entry)), Buffer.from(after));
        return order === 'ascending' ? compared > 0 : compared < 0;
      };
      const wanted = all
        .filter((entry) => (kind ?? entry.kind) === entry.kind && entry.name.startsWith(prefix) && isBehind(entry))
        .sort((one, other) => (order === 'ascending' ? ASCENDING(one, other) : ASCENDING(other, one)));
      const directories = all.filter((entry) => entry.kind === 'directory').length;
      return {
        entries: wanted.slice(0, limit),
        hasMore: wanted.length > limit,
        counts: { directories, objects: all.length - directories },
      };
    },
    async create(target, labels) {
      const before = await cloud.update(markerKey(target), (there) => there ?? mark(labels));
      if (before) throw new StoreError('exists');
    },
    async describe(target, attributes) {
      const known = await stat(target);
      if (known) await cloud.update(markerKey(target), () => mark({ ...known, attributes }));
      return known !== undefined;
    },
    async move(source, target, signedBy) {
      const known = await stat(source);
      if (!known) return false;
      if ((await stat(target)) || (await cloud.get(objectKey(target)))) throw new StoreError('path-conflict');
      const origin = { path: source.path, revision: '' };
      await cloud.update(markerKey(target), () => mark({ attributes: known.attributes, signedBy, origin }));
      for (const { key, name } of await keysBelow(source)) {
        if (name === '') continue;
        const isMarker = key.startsWith(markerKey(source));
        await moveKey(key, (isMarker ? markerKey(target) : inside(target)) + name);
      }
      await cloud.update(markerKey(source), () => undefined);
      return true;
    },
    async delete(target) {
      if (!(await stat(target))) return false;
      if ((await keysBelow(target)).some(({ name }) => name !== '')) throw new StoreError('not-empty');
      await cloud.update(markerKey(target), () => undefined);
      return true;
    },
  };
}
