import type { IncomingMessage } from 'node:http';
import type { Settings } from '../options.ts';
import { ProtocolError } from '../protocol/codes.ts';
import type { Fields } from '../protocol/fields.ts';
import { checkPath, encodePath, onePathEnd, percentDecode } from '../protocol/path.ts';
import type { Target } from '../store/store.ts';
import { originOf } from './origin.ts';

/** What a request line says: which object, and the query with each value decoded once. */
export interface Address {
  readonly target: Target;
  /** Whether the path ended in a slash, and so names a directory. `target.path` has no such slash. */
  readonly isDirectory: boolean;
  readonly query: Fields;
}

/**
 * Reads `<prefix>/<appid>/<bucket>/<path>?query`, or what follows the bucket where its host says that. The path is percent-decoded once and then split, so an encoded slash
 * separates like any other and dots cannot hide.
 *
 * @throws ProtocolError -5999 for an address outside the prefix, -180 for a path that is refused
 */
export function readAddress(req: IncomingMessage, prefix: string, hosts: BucketHosts): Address {
  const { path: rawPath, query } = splitUrl(req.url);
  const { appId, bucket, encoded } = byHost(req, rawPath, prefix, hosts) ?? byPath(req, rawPath, prefix);
  // Bytes that came unencoded are shown by Node as Latin-1: not what the client meant.
  const decoded = /[^!-~]/.test(encoded) ? undefined : percentDecode(encoded);
  if (decoded === undefined) throw new ProtocolError('invalidPath', 'the path is not percent-encoded UTF-8');
  const path = decoded === '/' ? '' : onePathEnd(decoded);
  if (path !== '') checkPath(path);
  return {
    target: { appId, bucket, path: path.replace(/\/$/, '') },
    isDirectory: path === '' || path.endsWith('/'),
    query: readQuery(query),
  };
}

/** The buckets that have a host of their own for downloads, by the first part of its name: `<bucket>-<appid>`. */
export type BucketHosts = ReadonlyMap<string, { readonly appId: string; readonly bucket: string }>;

export function bucketHosts({ accountsBySecretId }: Settings): BucketHosts {
  const hosts = [...accountsBySecretId.values()].flatMap(({ appId, buckets }) =>
    buckets.map((bucket) => [`${bucket}-${appId}`.toLowerCase(), { appId, bucket }] as const),
  );
  return new Map(hosts);
}

interface Located {
  readonly appId: string;
  readonly bucket: string;
  readonly encoded: string;
}

function byPath(req: IncomingMessage, path: string, prefix: string): Located {
  const match = /^\/([^/]+)\/([^/]+)\/(.*)$/s.exec(locate(req, path, prefix)?.rest ?? '');
  if (!match) throw new ProtocolError('badParameter', 'the address has no /<appid>/<bucket>/<path>');
  const [, appId = '', bucket = '', encoded = ''] = match;
  return { appId, bucket, encoded };
}

/** Downloads from the bucket's own host (protocol section 2), unless the path says the bucket all the same. */
function byHost(req: IncomingMessage, path: string, prefix: string, hosts: BucketHosts): Located | undefined {
  const place = bucketOfHost(req, hosts);
  if (!place || (req.method !== 'GET' && req.method !== 'HEAD')) return undefined;
  const { appId, bucket } = place;
  return path.startsWith(`${prefix}/${appId}/${bucket}/`) ? undefined : { ...place, encoded: path.replace(/^\//, '') };
}

export function bucketOfHost(req: IncomingMessage, hosts: BucketHosts): Omit<Located, 'encoded'> | undefined {
  const host = String(req.headers[':authority'] ?? req.headers.host ?? '');
  return hosts.get(host.slice(0, host.indexOf('.')).toLowerCase());
}

/** The parts of a request line's target, which may have an origin in front. */
export function splitUrl(url = ''): { readonly path: string; readonly query: string } {
  const relative = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/#.*$/s, '');
  const queryAt = relative.indexOf('?');
  return queryAt < 0
    ? { path: relative, query: '' }
    : { path: relative.slice(0, queryAt), query: relative.slice(queryAt + 1) };
}

/** A request as frameworks pass it on: mounted below a path, they cut it off `url` and keep the whole. */
type MaybeMounted = IncomingMessage & { readonly originalUrl?: unknown };

/**
 * Where in a request's path this server's own part begins: after the prefix, wherever it is mounted, and also when the
 * prefix itself is what it is mounted below. `base` is all that comes before.
 */
function locate(req: MaybeMounted, path: string, prefix: string): { base: string; rest: string } | undefined {
  const whole = typeof req.originalUrl === 'string' ? splitUrl(req.originalUrl).path : path;
  const mount = whole.endsWith(path) ? whole.slice(0, whole.length - path.length) : '';
  if (path.startsWith(`${prefix}/`)) return { base: mount + prefix, rest: path.slice(prefix.length) };
  return mount.endsWith(prefix) ? { base: mount, rest: path } : undefined;
}

/** Like URLSearchParams, but a plus stays one: base64 signatures are not always encoded as they should be. */
function readQuery(text: string): Fields {
  const fields = new Map<string, string>();
  for (const pair of text.split('&')) {
    const at = pair.indexOf('=');
    const name = percentDecode(at < 0 ? pair : pair.slice(0, at));
    const value = percentDecode(at < 0 ? '' : pair.slice(at + 1));
    if (name && value !== undefined && !fields.has(name)) fields.set(name, value);
  }
  return fields;
}

/** The URLs under which a stored object is announced; they are where this server lets it be downloaded. */
export interface ObjectUrls {
  readonly access_url: string;
  readonly source_url: string;
  readonly url: string;
  readonly resource_path: string;
}

export function objectUrls(settings: Settings, req: IncomingMessage, target: Target): ObjectUrls {
  const origin = settings.publicUrl ?? originOf(req, settings.trustProxy);
  const base = locate(req, splitUrl(req.url).path, settings.prefix)?.base ?? settings.prefix;
  const url = `${origin}${base}/${target.appId}/${target.bucket}/${encodePath(target.path)}`;
  return {
    access_url: url,
    source_url: url,
    url,
    resource_path: `/${target.appId}/${target.bucket}/${target.path}`,
  };
}
