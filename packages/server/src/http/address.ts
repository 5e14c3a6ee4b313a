import type { IncomingMessage } from 'node:http';
import type { Settings } from '../options.ts';
import { ProtocolError } from '../protocol/codes.ts';
import type { Fields } from '../protocol/fields.ts';
import { checkPath, encodePath, percentDecode } from '../protocol/path.ts';
import type { Target } from '../store/store.ts';

/** What a request line says: which object, and the query with each value decoded once. */
export interface Address {
  readonly target: Target;
  /** Whether the path ended in a slash, and so names a directory. `target.path` has no such slash. */
  readonly isDirectory: boolean;
  readonly query: Fields;
}

/**
 * Reads `<prefix>/<appid>/<bucket>/<path>?query`. The path is percent-decoded once and then split, so an encoded slash
 * separates like any other and dots cannot hide.
 *
 * @throws ProtocolError -5999 for an address outside the prefix, -180 for a path that is refused
 */
export function readAddress(url: string, prefix: string): Address {
  const relative = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/#.*$/s, '');
  const queryAt = relative.indexOf('?');
  const rawPath = queryAt < 0 ? relative : relative.slice(0, queryAt);
  const match = rawPath.startsWith(`${prefix}/`) && /^\/([^/]+)\/([^/]+)\/(.*)$/s.exec(rawPath.slice(prefix.length));
  if (!match) throw new ProtocolError('badParameter', 'the address has no /<appid>/<bucket>/<path>');
  const [, appId = '', bucket = '', encoded = ''] = match;
  // Bytes that came unencoded are shown by Node as Latin-1: not what the client meant.
  const path = /[^!-~]/.test(encoded) ? undefined : percentDecode(encoded);
  if (path === undefined) throw new ProtocolError('invalidPath', 'the path is not percent-encoded UTF-8');
  if (path !== '') checkPath(path);
  return {
    target: { appId, bucket, path: path.replace(/\/$/, '') },
    isDirectory: path === '' || path.endsWith('/'),
    query: readQuery(queryAt < 0 ? '' : relative.slice(queryAt + 1)),
  };
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
  const origin = settings.publicUrl ?? requestOrigin(req);
  const url = `${origin}${settings.prefix}/${target.appId}/${target.bucket}/${encodePath(target.path)}`;
  return {
    access_url: url,
    source_url: url,
    url,
    resource_path: `/${target.appId}/${target.bucket}/${target.path}`,
  };
}

function requestOrigin(req: IncomingMessage): string {
  const scheme = 'encrypted' in req.socket ? 'https' : 'http';
  const host = req.headers.host;
  if (host && /^[\w.:[\]-]+$/.test(host)) return `${scheme}://${host}`;
  return `${scheme}://127.0.0.1:${req.socket.localPort}`;
}
