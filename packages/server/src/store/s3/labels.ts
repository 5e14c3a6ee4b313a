import type { IncomingHttpHeaders } from 'node:http';
import { type Authority, type ObjectInfo, type ObjectLabels, StoreError } from '../store.ts';
import type { Head } from './calls.ts';

/** In front of what the server says of its objects; see docs/deploy.md for each. */
const OWN = 'x-amz-meta-cos-slice-';
const META = 'x-amz-meta-';
const CLIENT_META = 'x-cos-meta-';
/** Headers that S3 keeps by themselves, in the spelling that clients are told. */
const STANDARD = ['Cache-Control', 'Content-Type', 'Content-Disposition', 'Content-Language', 'Content-Encoding'];
/** What stores say when nobody has said anything. */
const NO_TYPE: ReadonlySet<string> = new Set(['binary/octet-stream', 'application/octet-stream']);
/** S3 keeps that much of metadata, names and values together. */
const MAX_META_BYTES = 2048;

/** The last moment that there is a date for. */
const MAX_DATE_MS = 8.64e15;

/** What is written with an object besides its bytes. */
export interface Labels extends ObjectLabels {
  readonly revision: string;
  /** Where it is other than when the object was written last. */
  readonly modifiedAtMs?: number | undefined;
}

/**
 * The headers of an object with these labels. Values that a header cannot carry are percent-encoded, and their names listed in
 * `x-amz-meta-cos-slice-encoded`.
 *
 * @throws StoreError `refused` when they are more than S3 keeps
 */
export function headersOf(labels: Labels): Record<string, string> {
  const headers: Record<string, string> = {};
  const encoded: string[] = [];
  const write = (name: string, value: string | undefined): void => {
    if (value === undefined || value === '') return;
    if (!isPlain(value)) encoded.push(name);
    headers[name] = isPlain(value) ? value : encodeURIComponent(value);
  };
  for (const [name, value] of Object.entries(labels.headers ?? {})) {
    const kept = keptName(name);
    if (kept.startsWith(OWN)) throw new StoreError('refused', { detail: `${name} is the server's own` });
    write(kept, value);
  }
  const named = Object.keys(headers);
  write(`${OWN}revision`, labels.revision);
  write(`${OWN}modified`, labels.modifiedAtMs?.toString());
  write(`${OWN}attributes`, labels.attributes);
  write(`${OWN}authority`, labels.authority);
  write(`${OWN}sha1`, labels.sha);
  write(`${OWN}session`, labels.session);
  write(`${OWN}signed-by`, labels.signedBy);
  write(`${OWN}origin`, labels.origin?.path);
  write(`${OWN}origin-revision`, labels.origin?.revision);
  write(`${OWN}headers`, named.map(shortName).join(' '));
  write(`${OWN}encoded`, encoded.map(shortName).join(' '));
  let metaBytes = 0;
  for (const [name, value] of Object.entries(headers))
    if (name.startsWith(META)) metaBytes += name.length + value.length;
  if (metaBytes > MAX_META_BYTES) {
    throw new StoreError('refused', {
      detail: `biz_attr and headers exceed ${MAX_META_BYTES} bytes with what goes with them`,
    });
  }
  return headers;
}

/** What an object's headers say of it, whoever has put it there. */
export function infoOf(head: Head): ObjectInfo {
  const { headers } = head;
  const encoded = new Set(String(headers[`${OWN}encoded`] ?? '').split(' '));
  const read = (name: string): string | undefined => {
    const value = headers[name];
    if (typeof value !== 'string' || value === '') return undefined;
    return encoded.has(shortName(name)) ? decode(value) : value;
  };
  const revision = read(`${OWN}revision`);
  const path = read(`${OWN}origin`);
  const modified = Number(read(`${OWN}modified`));
  return {
    sizeBytes: head.sizeBytes,
    modifiedAtMs: modified > 0 && modified <= MAX_DATE_MS ? modified : head.modifiedAtMs,
    revision: revision ?? head.etag,
    attributes: read(`${OWN}attributes`),
    authority: read(`${OWN}authority`) as Authority | undefined,
    sha: read(`${OWN}sha1`),
    session: read(`${OWN}session`),
    signedBy: read(`${OWN}signed-by`),
    ...(path !== undefined && { origin: { path, revision: read(`${OWN}origin-revision`) ?? '' } }),
    headers: clientHeaders(headers, revision === undefined ? undefined : (read(`${OWN}headers`) ?? ''), read),
  };
}

/** @param named which ones a client of ours has given; undefined when somebody else has put the object there */
function clientHeaders(
  headers: IncomingHttpHeaders,
  named: string | undefined,
  read: (name: string) => string | undefined,
): Record<string, string> | undefined {
  const names = named?.split(' ').map(keptNameOfShort) ?? Object.keys(headers);
  const given: Record<string, string> = {};
  for (const name of names) {
    const value = read(name);
    const standard = STANDARD.find((known) => known.toLowerCase() === name);
    if (value === undefined || name.startsWith(OWN)) continue;
    if (standard === 'Content-Type' && named === undefined && NO_TYPE.has(value)) continue;
    if (standard !== undefined) given[standard] = value;
    else if (name.startsWith(META)) given[CLIENT_META + name.slice(META.length)] = value;
  }
  return Object.keys(given).length > 0 ? given : undefined;
}

/** The name under which S3 keeps a client's header. */
function keptName(name: string): string {
  const lower = name.toLowerCase();
  return lower.startsWith(CLIENT_META) ? META + lower.slice(CLIENT_META.length) : lower;
}

const shortName = (name: string): string => (name.startsWith(META) ? `+${name.slice(META.length)}` : name);
const keptNameOfShort = (name: string): string => (name.startsWith('+') ? META + name.slice(1) : name);

/** Whether a header carries the value as it is: signers and proxies make one blank of many. */
function isPlain(value: string): boolean {
  return /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(value);
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
