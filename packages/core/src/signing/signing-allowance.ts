import type { OptionIssue } from '../errors.ts';
import type { RequestToSign } from '../ports.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';

/** What a user may do; each is of use by itself. */
const DEEDS = ['upload', 'download', 'list', 'remove'] as const;
export type Deed = (typeof DEEDS)[number];

/** What a user may have signed. */
export interface SigningAllowance {
  /** A folder, with a slash at its end: `users/7/`; one object; or `''`: the whole bucket. */
  readonly path: string;
  /**
   * `upload`: send an object, in one request or in parts, and look whether it is there. `download`: read one. `list`: see what is
   * in the folder, finished or not. `remove`: delete an object. Default `['upload']`.
   */
  readonly to?: readonly Deed[] | undefined;
  /**
   * Bytes of an object. Parts are judged by their number and length, since nobody sees all of them here: this client comes to
   * less than one part more, one that sends parts of different sizes to less than ten times as much.
   */
  readonly maxBytes?: number | undefined;
}

/** Requests about an object by their method and the names in their query, and what they are part of. */
const OBJECT: Readonly<Record<string, readonly Deed[]>> = {
  PUT: ['upload'],
  'POST uploads': ['upload'],
  'PUT partNumber uploadId': ['upload'],
  // All parts of an upload, where the signature does not cover their numbers.
  'PUT uploadId': ['upload'],
  'GET max-parts uploadId': ['upload'],
  'GET max-parts part-number-marker uploadId': ['upload'],
  'POST uploadId': ['upload'],
  'DELETE uploadId': ['upload'],
  HEAD: ['upload', 'download'],
  GET: ['download'],
  DELETE: ['remove'],
};

/** What a list of the bucket, or of its unfinished uploads, may ask. */
const LIST =
  /^(continuation-token|delimiter|encoding-type|key-marker|list-type|marker|max-keys|max-uploads|prefix|upload-id-marker|uploads)$/;

/** Headers that may be signed whatever they say: what is checked, what is kept from being replaced, metadata. */
const HARMLESS =
  /^(content-length|content-md5|if-none-match|x-amz-(checksum-(crc64nvme|algorithm|type|mode)|mp-object-size)|x-(cos|oss)-forbid-overwrite|x-(amz|cos)-meta-[\w-]+)$/;

/** Of the names in queries, what they may say: an id that is missing would make an abort a deletion. */
const VALUES: Readonly<Record<string, RegExp>> = {
  'max-parts': /^\d{1,4}$/,
  'part-number-marker': /^\d{1,5}$/,
  partNumber: /^[1-9]\d{0,4}$/,
  uploadId: /^[^\p{Cc}\p{Cs}]+$/u,
  uploads: /^$/,
};
const TEXT = /^[^\p{Cc}\p{Cs}]*$/u;

/** Why a request is not signed, in one line; undefined when it may be. */
export function whyNot(
  request: RequestToSign,
  { path, to = ['upload'], maxBytes }: SigningAllowance,
  wire: XmlWire,
  more: Readonly<Record<string, string>>,
): string | undefined {
  const { method, bucket, key, query, headers } = request;
  if (bucket !== wire.bucketName) return 'it is about another bucket';
  if (!deedsOf(request).some((deed) => to.includes(deed))) return 'this may not be done';
  const isQuery = Object.entries(query).every(([name, value]) => (own(VALUES, name) ?? TEXT).test(value));
  if (!isQuery) return 'its query is not one of these requests';
  if (!(key === '' ? isIn(query.prefix ?? '', path) : isIn(key, path) || key === path)) {
    return 'it lies outside of what is allowed';
  }
  const issues = key === '' ? [] : wire.check({ endpoint: '', appId: '', bucket: '', path: key });
  if (issues.length > 0 || !TEXT.test(key)) return 'its key is not one that is signed for';
  const odd = Object.entries(headers).find(([name, value]) => !mayBeSigned(name, value, more));
  if (odd) return `the header ${JSON.stringify(odd[0].slice(0, 60))} is not signed with this value`;
  return method === 'PUT' && maxBytes !== undefined ? whyTooLarge(query, headers, maxBytes) : undefined;
}

/** What a request is part of. */
function deedsOf({ method, key, query }: RequestToSign): readonly Deed[] {
  const names = Object.keys(query).sort();
  if (key !== '') return own(OBJECT, [method, ...names].join(' ')) ?? [];
  return method === 'GET' && names.every((name) => LIST.test(name)) ? ['list'] : [];
}

/** Whether a name begins with a folder's. */
function isIn(name: string, folder: string): boolean {
  return (folder === '' || folder.endsWith('/')) && name.startsWith(folder);
}

function mayBeSigned(name: string, value: string, more: Readonly<Record<string, string>>): boolean {
  return own(more, name) === value || (HARMLESS.test(name) && /^[\t\x20-\x7e]*$/.test(value));
}

/** In an honest upload no part is larger than those before it: the number of a part times its length is within the size. */
function whyTooLarge(
  query: RequestToSign['query'],
  headers: RequestToSign['headers'],
  maxBytes: number,
): string | undefined {
  const length = headers['content-length'] ?? '';
  if (!/^\d+$/.test(length)) return 'its length is not covered: use cosXml({ strict: true })';
  const number = query.uploadId === undefined ? 1 : Number(query.partNumber);
  return Number(length) * number <= maxBytes ? undefined : `it is larger than ${maxBytes} bytes`;
}

/** Not what all objects have. */
function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** What is unclear about what a user may do: nothing is signed by that. */
export function allowanceIssues(allowed: SigningAllowance): OptionIssue[] {
  const { path, to, maxBytes } = (allowed ?? {}) as Partial<SigningAllowance>;
  const issues: OptionIssue[] = [];
  const check = (option: string, isRight: boolean, message: string): void => {
    if (!isRight) issues.push({ option, message });
  };
  check(
    'path',
    typeof path === 'string' && !path.startsWith('/'),
    "must be a folder, an object or '', without a slash before it",
  );
  check(
    'to',
    to === undefined || (Array.isArray(to) && to.every((one) => DEEDS.includes(one))),
    `must be a list of ${DEEDS.join(', ')}`,
  );
  check(
    'maxBytes',
    maxBytes === undefined || (Number.isSafeInteger(maxBytes) && maxBytes >= 0),
    'must be a whole number of bytes',
  );
  return issues;
}
