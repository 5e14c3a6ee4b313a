import type { ErrorCode } from '../../errors.ts';
import type { WireResponse } from '../../ports.ts';
import type { Authority, Entry } from '../entry.ts';
import type { AnyOperationName, ObjectOperationName, Operation, Reply } from '../operations.ts';
import { failed, foreignResponse, isPassing, quote } from '../responses.ts';
import { BUCKET_NOT_FOUND, FAILING, MEANINGS, NOT_FOUND, REFUSED } from './codes.ts';
import { unusable } from './decode.ts';
import { AUTHORITIES } from './encode-objects.ts';
import { type Json, locationOf, parseJson, toInteger, toObject, toText } from './json.ts';
import { xmlFailure } from './xml-error.ts';

/** What codes mean here that they do not mean to uploads, or that uploads never see. */
const OBJECT_MEANINGS: typeof MEANINGS = {
  [-166]: ['bad-request', 'the page context is none of this server: begin the list anew'],
  [-170]: ['bad-request', 'the page size is not allowed: real COS takes 1 to 199'],
  [-173]: ['not-empty', 'the directory is not empty: remove what is in it first'],
  [-177]: ['exists', 'a file is at the target: choose another path or turn overwrite on'],
  [-178]: ['exists', 'a file or a directory is there already: choose another path'],
  [-179]: ['bad-request', 'nothing that can be changed is given'],
  [-180]: ['bad-request', 'the path, or the one to move or copy to, is not allowed: choose another one'],
};

/** What a response means for the operation it answers (protocol sections 4 and 5). */
export function decodeObjects<C, Op extends ObjectOperationName>(
  operation: Operation<C, Op>,
  response: WireResponse,
): Reply<Op> {
  const body = toObject(parseJson(response.body));
  const code = toInteger(body.code);
  if (code === undefined) return (xmlFailure(response) ?? foreignResponse(response)) as Reply<Op>;
  if (code !== 0) return refusal(operation.op, code, body, response) as Reply<Op>;
  const read = READERS[operation.op] as (data: Json, path: string, response: WireResponse) => Reply<Op>;
  return read(toObject(body.data), 'path' in operation ? operation.path : '', response);
}

const readDone = (data: Json): Reply<'remove'> => ({ kind: 'done', location: locationOf(data) });

const READERS: {
  readonly [Op in ObjectOperationName]: (data: Json, path: string, response: WireResponse) => Reply<Op>;
} = {
  stat(data, path, response) {
    const entry = readEntry(data, path);
    return entry ? { kind: 'described', entry } : unusable('filesize', 'stat', response);
  },
  entries(data, path, response) {
    const { infos = [] } = data;
    if (!Array.isArray(infos)) return unusable('infos', 'entries', response);
    const directory = path.slice(0, path.lastIndexOf('/') + 1);
    const entries: Entry[] = [];
    for (const info of infos.map(toObject)) {
      // Some servers tell names from the bucket; one segment is a name, though it may be that of the directory, too.
      const name = toText(info.name).replace(/^\//, '');
      const isWhole = name.slice(0, -1).includes('/') && name.startsWith(directory);
      const entry = name && readEntry(info, isWhole ? name : directory + name);
      if (!entry) return unusable('infos', 'entries', response);
      entries.push(entry);
    }
    const isLast = data.listover === true || data.has_more === false;
    return { kind: 'page', entries, context: (!isLast && toText(data.context)) || undefined };
  },
  'create-directory': readDone,
  remove: readDone,
  move: readDone,
  copy: readDone,
  update: readDone,
};

/** Undefined: it is neither a directory nor has it a size. */
function readEntry(data: Json, path: string): Entry | undefined {
  const sizeBytes = toInteger(data.filesize);
  const facts = {
    path,
    name: path.slice(path.lastIndexOf('/', path.length - 2) + 1).replace(/\/$/, ''),
    attributes: toText(data.biz_attr),
    createdAt: toDate(data.ctime),
    modifiedAt: toDate(data.mtime),
  };
  if (path === '' || path.endsWith('/')) return { kind: 'directory', ...facts };
  if (sizeBytes === undefined || sizeBytes < 0) return undefined;
  return {
    kind: 'file',
    ...facts,
    sizeBytes,
    sha1: /^[\da-f]{40}$/i.test(toText(data.sha)) ? toText(data.sha).toLowerCase() : undefined,
    authority: authorityOf(data.authority),
    customHeaders: toTexts(data.custom_headers),
    ...locationOf(data),
  };
}

function authorityOf(value: unknown): Authority {
  const [found] = Object.entries(AUTHORITIES).find(([, text]) => text === value) ?? [];
  return (found as Authority | undefined) ?? 'inherit';
}

/** Times come in epoch seconds. */
function toDate(value: unknown): Date | undefined {
  const seconds = toInteger(value);
  const date = new Date((seconds ?? Number.NaN) * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function toTexts(value: unknown): Readonly<Record<string, string>> {
  const given = toObject(typeof value === 'string' ? parseJson(value) : value);
  return Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, typeof text === 'string' ? text : JSON.stringify(text)]),
  );
}

function refusal(op: ObjectOperationName, code: number, body: Json, response: WireResponse): Reply<AnyOperationName> {
  const { status } = response;
  const [meaning, hint, remedy] = OBJECT_MEANINGS[code] ?? MEANINGS[code] ?? (isPassing(response) ? FAILING : REFUSED);
  const gone = code === NOT_FOUND || (status === 404 && code !== BUCKET_NOT_FOUND);
  if (op === 'stat' && gone) return { kind: 'absent' };
  const said = quote(toText(body.message));
  const name: ErrorCode = gone ? 'not-found' : meaning;
  return failed(response, name, `${hint} (server: ${code}${said && ` ${said}`})`, {
    remedy: gone ? 'none' : (remedy ?? 'none'),
    wireCode: code,
    requestId: toText(body.request_id) || undefined,
  });
}
