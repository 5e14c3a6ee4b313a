import type { WireRequest, WireResponse } from '../../ports.ts';
import type { Entry, FileEntry } from '../entry.ts';
import type { Failure, ObjectOperationName, Reply } from '../operations.ts';
import { percentEncode } from '../percent.ts';
import { failed } from '../responses.ts';
import { copyHandler } from './copies.ts';
import { childrenOf, readXml, textOf, type XmlElement } from './reader.ts';
import { refusalOf } from './refusals.ts';
import {
  attributesHeader,
  cannot,
  type Dialect,
  type Handler,
  locationAt,
  md5Of,
  storedHeaders,
  unusable,
  withQuery,
} from './requests.ts';
import { exists, sizeIn, sizeOf } from './uploads.ts';

/** Objects that are there. A directory is what begins with its path; one that is empty has an object of that name. */
export function objectHandlers(dialect: Dialect): { readonly [Op in ObjectOperationName]: Handler<Op> } {
  const { profile, urlOf } = dialect;

  /** What begins with a path: a directory's, and how much of it is asked for. */
  const list = <C>(query: Readonly<Record<string, string | number | undefined>>): WireRequest<C> => {
    const version = profile.listVersion === 2 ? { 'list-type': 2 } : {};
    return { method: 'GET', url: withQuery(urlOf(''), { ...version, 'encoding-type': 'url', ...query }) };
  };

  const transfer = copyHandler(dialect);

  return {
    stat: {
      encode: ({ path }, at) =>
        isDirectory(path) ? list({ prefix: path, 'max-keys': 1 }) : { method: 'HEAD', url: at },
      decode({ path }, response): Reply<'stat'> {
        if (!isDirectory(path)) {
          if (response.status === 404) return { kind: 'absent' };
          return refusalOf(response) ?? { kind: 'described', entry: fileOf(dialect, path, response) };
        }
        const page = readPage(dialect, response);
        if (page.kind === 'failed') return page;
        if (path !== '' && page.keys.length === 0) return { kind: 'absent' };
        return { kind: 'described', entry: directoryAt(path) };
      },
    },

    entries: {
      encode({ path, pageSize, order, context }) {
        if (order !== 'ascending') throw cannot('order', 'must be ascending: this server lists in no other order');
        const after = profile.listVersion === 2 ? 'continuation-token' : 'marker';
        return list({ delimiter: '/', prefix: path, 'max-keys': pageSize, [after]: context });
      },
      decode({ path, pattern, context }, response): Reply<'entries'> {
        const page = readPage(dialect, response);
        if (page.kind === 'failed') return page;
        if (isDirectory(path) && path !== '' && context === undefined && page.keys.length === 0) {
          return failed(response, 'not-found', 'nothing is at the path', { remedy: 'none', wireCode: 'NoSuchKey' });
        }
        const wanted = { both: true, files: 'file', directories: 'directory' }[pattern];
        const entries = page.entries.filter(
          (entry) => entry.path !== path && (wanted === true || entry.kind === wanted),
        );
        return { kind: 'page', entries, context: page.next };
      },
    },

    'create-directory': {
      encode({ attributes, more }, at) {
        if (more === undefined) return { method: 'HEAD', url: at.replace(/\/$/, '') };
        if (more === 'look') return list({ prefix: pathOf(dialect, at), 'max-keys': 1 });
        const headers = attributes === undefined ? {} : { [attributesHeader(profile)]: percentEncode(attributes) };
        return { method: 'PUT', url: at, headers };
      },
      decode({ more }, response, at): Reply<'create-directory'> {
        if (more === undefined) return response.status === 200 ? exists(response) : { kind: 'more', more: 'look' };
        if (more === 'look') {
          const page = readPage(dialect, response);
          if (page.kind === 'failed') return page;
          return page.keys.length > 0 ? exists(response) : { kind: 'more', more: 'put' };
        }
        return refusalOf(response) ?? { kind: 'done', location: locationAt(at) };
      },
    },

    remove: {
      encode({ more }, at) {
        if (more === 'delete') return { method: 'DELETE', url: at };
        return at.endsWith('/') ? list({ prefix: pathOf(dialect, at), 'max-keys': 2 }) : { method: 'HEAD', url: at };
      },
      decode({ more }, response, at): Reply<'remove'> {
        if (more === 'delete') return refusalOf(response) ?? { kind: 'done', location: locationAt(at) };
        // Servers say of what was never there that it is gone.
        if (!at.endsWith('/')) return refusalOf(response) ?? { kind: 'more', more: 'delete' };
        const page = readPage(dialect, response);
        if (page.kind === 'failed') return page;
        const path = pathOf(dialect, at);
        const [first] = page.keys;
        if (first === undefined) {
          return failed(response, 'not-found', 'nothing is at the path', { remedy: 'none', wireCode: 'NoSuchKey' });
        }
        if (page.keys.some((key) => key !== path)) {
          return failed(response, 'not-empty', 'the directory is not empty', { remedy: 'none' });
        }
        return { kind: 'more', more: 'delete' };
      },
    },

    copy: {
      encode: (operation, at) => transfer.encode(operation, at),
      decode: (operation, response, at) => transfer.decode(operation, response, at),
    },

    move: {
      encode(operation, at) {
        if (operation.to.path.endsWith('/')) {
          throw cannot('from', 'must be a file: this server knows no directories, and would have to move file by file');
        }
        return operation.more === 'delete' ? { method: 'DELETE', url: at } : transfer.encode(operation, at);
      },
      decode(operation, response, at): Reply<'move'> {
        if (operation.more === 'delete') return refusalOf(response) ?? { kind: 'done', location: locationAt(at) };
        const reply = transfer.decode(operation, response, at);
        return reply.kind === 'done' ? { kind: 'more', more: 'delete' } : reply;
      },
    },

    update: {
      encode() {
        throw cannot('changes', 'cannot be made here: this server keeps what an object was stored with');
      },
      decode: (_operation, response) => unusable('answer', response),
    },
  };
}

const isDirectory = (path: string): boolean => path === '' || path.endsWith('/');

/** The path behind a URL of the bucket's. */
function pathOf({ urlOf }: Dialect, at: string): string {
  return decodeURIComponent(at.slice(urlOf('').length));
}

interface Page {
  readonly kind: 'page';
  readonly entries: readonly Entry[];
  /** Names of objects, and beginnings that several have in common. */
  readonly keys: readonly string[];
  readonly next: string | undefined;
}

function readPage(dialect: Dialect, response: WireResponse): Page | Failure {
  const root = readXml(response.body);
  const refusal = refusalOf(response, root);
  if (refusal) return refusal;
  if (root?.name !== 'ListBucketResult') return unusable('list of objects', response);
  const encoded = textOf(root, 'EncodingType') === 'url';
  const nameIn = (element: XmlElement, name: string): string => {
    const text = textOf(element, name);
    return encoded ? decodeName(text) : text;
  };
  const files = childrenOf(root, 'Contents').map((element): Entry | undefined => {
    const path = nameIn(element, 'Key');
    const modifiedAt = dateOf(textOf(element, 'LastModified'));
    if (isDirectory(path)) return { ...directoryAt(path), modifiedAt };
    const sizeBytes = sizeIn(textOf(element, 'Size'));
    if (sizeBytes === undefined) return undefined;
    const etag = textOf(element, 'ETag') || undefined;
    return { ...factsOf(path), ...fileAt(dialect, path), kind: 'file', sizeBytes, modifiedAt, etag };
  });
  const directories = childrenOf(root, 'CommonPrefixes').map((element) => directoryAt(nameIn(element, 'Prefix')));
  if (files.includes(undefined)) return unusable('list of objects', response);
  const entries = [...(files as Entry[]), ...directories].sort((one, other) => compareNames(one.path, other.path));
  const keys = entries.map(({ path }) => path);
  if (textOf(root, 'IsTruncated') !== 'true') return { kind: 'page', entries, keys, next: undefined };
  // The last name is a marker in any case: some servers name the next one only now and then, and some do not encode it.
  const next = textOf(root, 'NextContinuationToken') || keys.at(-1) || nameIn(root, 'NextMarker');
  return next ? { kind: 'page', entries, keys, next } : unusable('list of objects', response);
}

/** By code points, as servers have them in order: their bytes in UTF-8. */
function compareNames(one: string, other: string): number {
  const [a, b] = [[...one], [...other]];
  const at = a.findIndex((character, index) => character !== b[index]);
  if (at < 0) return a.length - b.length;
  return (a[at]?.codePointAt(0) ?? 0) - (b[at]?.codePointAt(0) ?? -1);
}

export function decodeName(text: string): string {
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '));
  } catch {
    return text;
  }
}

function fileOf(dialect: Dialect, path: string, response: WireResponse): FileEntry {
  const attributes = response.header(attributesHeader(dialect.profile));
  return {
    ...factsOf(path),
    ...fileAt(dialect, path),
    kind: 'file',
    attributes: attributes === undefined ? '' : decodeName(attributes.replace(/\+/g, '%2B')),
    sizeBytes: sizeOf(response) ?? 0,
    modifiedAt: dateOf(response.header('last-modified') ?? ''),
    md5: md5Of(dialect.profile, response),
    etag: response.header('etag'),
    customHeaders: storedHeaders(response),
  };
}

function fileAt({ urlOf }: Dialect, path: string) {
  return { ...locationAt(urlOf(path)), authority: 'inherit', customHeaders: {} } as const;
}

function factsOf(path: string) {
  return { path, name: path.replace(/\/$/, '').replace(/^.*\//s, ''), attributes: '' };
}

function directoryAt(path: string) {
  return { ...factsOf(path), kind: 'directory' } as const;
}

function dateOf(text: string): Date | undefined {
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : new Date(dateMs);
}
