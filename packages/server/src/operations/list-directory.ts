import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { ProtocolError } from '../protocol/codes.ts';
import type { Fields } from '../protocol/fields.ts';
import { isCovered } from '../signature/signature.ts';
import { type Entry, keyOf, type ListRequest } from '../store/directory-store.ts';
import { describeEntry } from './describe.ts';
import { nothingAt } from './nothing.ts';

const DEFAULT_NUM = 20;
const MAX_NUM = 199;

const PATTERNS: ReadonlyMap<string, Entry['kind'] | undefined> = new Map([
  ['eListBoth', undefined],
  ['eListDirOnly', 'directory'],
  ['ListDirOnly', 'directory'],
  ['eListFileOnly', 'object'],
]);

/**
 * `list`: a page of what is directly in a directory. A path without a slash at its end stands for what begins like this.
 *
 * The `context` says where a page began and ended. From there, order 0 goes on to what comes behind it in the order of names,
 * and order 1 to what comes before it, backwards.
 *
 * @throws ProtocolError -63 for what begins alike, unless the signature covers the directory it is in; -170, -197, -5999
 */
export async function listDirectory(exchange: Exchange, { fields }: Form): Promise<object> {
  const { settings, target, isDirectory, grant } = exchange;
  const cut = isDirectory ? target.path.length : target.path.lastIndexOf('/');
  const directory = { ...target, path: target.path.slice(0, Math.max(0, cut)) };
  // What only begins like the path that a signature is bound to is another's.
  if (!isDirectory && !isCovered(grant, { ...target, path: target.path.slice(0, cut + 1) })) {
    throw new ProtocolError('signatureFileId', 'what begins alike needs a signature for the directory it is in');
  }
  const request: ListRequest = {
    kind: readPattern(fields.get('pattern')),
    prefix: isDirectory ? '' : target.path.slice(cut + 1),
    limit: readNum(fields.get('num')),
    ...readPlace(fields),
  };
  const page = await settings.store.directories.list(directory, request);
  // In a bucket nothing need be for it to be there.
  if (!page && directory.path !== '') throw await nothingAt({ ...exchange, target: directory, isDirectory: true });
  const { entries, hasMore, counts } = page ?? { entries: [], hasMore: false, counts: { directories: 0, objects: 0 } };
  return {
    // Some go on as long as there is one.
    context: hasMore ? contextOf(entries) : '',
    has_more: hasMore,
    listover: !hasMore,
    ...(counts && { dircount: counts.directories, filecount: counts.objects }),
    infos: entries.map((entry) => describeEntry(exchange, directory, entry)),
  };
}

function readPattern(text = ''): Entry['kind'] | undefined {
  const pattern = text.trim() === '' ? 'eListBoth' : text.trim();
  if (!PATTERNS.has(pattern)) {
    throw new ProtocolError('badParameter', 'pattern is none of eListBoth, eListDirOnly and eListFileOnly');
  }
  return PATTERNS.get(pattern);
}

function readNum(text = ''): number {
  if (text.trim() === '') return DEFAULT_NUM;
  const num = Number(text.trim());
  if (!/^\d{1,3}$/.test(text.trim()) || num < 1 || num > MAX_NUM) {
    throw new ProtocolError('badListNum', `num is no whole number from 1 to ${MAX_NUM}`);
  }
  return num;
}

function readPlace(fields: Fields): Pick<ListRequest, 'order' | 'after'> {
  const text = fields.get('order')?.trim() ?? '';
  if (!/^[01]?$/.test(text)) throw new ProtocolError('badParameter', 'order is neither 0 nor 1');
  const order = text === '1' ? 'descending' : 'ascending';
  const context = fields.get('context') ?? '';
  if (context === '') return { order };
  const ends = readContext(context);
  return { order, after: order === 'ascending' ? ends[1] : ends[0] };
}

/** The lowest and the highest key of a page. */
function contextOf(entries: readonly Entry[]): string {
  const ends = [entries[0], entries.at(-1)].map((entry) => keyOf(entry as Entry));
  ends.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  return Buffer.from(JSON.stringify(ends)).toString('base64url');
}

function readContext(context: string): [string, string] {
  try {
    const ends: unknown = JSON.parse(Buffer.from(context, 'base64url').toString('utf8'));
    if (Array.isArray(ends) && ends.length === 2 && ends.every((end) => typeof end === 'string')) {
      return ends as [string, string];
    }
  } catch {
    // Told below.
  }
  throw new ProtocolError('badParameter', 'the context is none of this server: begin the list anew');
}
