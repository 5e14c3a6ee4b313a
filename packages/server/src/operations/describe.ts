import type { Exchange } from '../exchange.ts';
import type { DirectoryInfo, Entry } from '../store/directory-store.ts';
import type { ObjectInfo, Target } from '../store/store.ts';

/** What replies tell of an object. */
export function describeObject(exchange: Exchange, target: Target, info: ObjectInfo): object {
  return {
    name: nameOf(target),
    biz_attr: info.attributes ?? '',
    filesize: info.sizeBytes,
    // As much has been stored of it: unfinished uploads are not among what is told of.
    filelen: info.sizeBytes,
    sha: info.sha ?? '',
    ...timesOf(info),
    authority: info.authority ?? 'eInvalid',
    custom_headers: info.headers ?? {},
    ...exchange.urlsOf(target),
  };
}

/** What replies tell of a directory. */
export function describeDirectory(exchange: Exchange, target: Target, info: DirectoryInfo): object {
  return {
    name: `${nameOf(target)}/`,
    biz_attr: info.attributes ?? '',
    ...timesOf(info),
    ...pathOf(exchange, target),
  };
}

export function describeEntry(exchange: Exchange, directory: Target, entry: Entry): object {
  const target = { ...directory, path: directory.path === '' ? entry.name : `${directory.path}/${entry.name}` };
  return entry.kind === 'object'
    ? describeObject(exchange, target, entry.info)
    : describeDirectory(exchange, target, entry.info);
}

/** The `resource_path` of a directory. */
export function pathOf(exchange: Exchange, target: Target): { readonly resource_path: string } {
  const { resource_path } = exchange.urlsOf(target);
  return { resource_path: target.path === '' ? resource_path : `${resource_path}/` };
}

function nameOf({ path }: Target): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** In epoch seconds. Nothing is ever changed but replaced: it was created when it was last modified. */
function timesOf({ modifiedAtMs }: { modifiedAtMs: number }): { readonly ctime: number; readonly mtime: number } {
  const mtime = Math.floor(modifiedAtMs / 1000);
  return { ctime: mtime, mtime };
}
