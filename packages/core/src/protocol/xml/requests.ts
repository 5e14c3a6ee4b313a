import { CosSliceError } from '../../errors.ts';
import type { WireRequest, WireResponse } from '../../ports.ts';
import type { AnyOperationName, Failure, ObjectLocation, Operation, Reply } from '../operations.ts';
import { percentEncode } from '../percent.ts';
import { failed } from '../responses.ts';
import type { Creating, Profile } from './profile.ts';

/** One operation: its requests and what their responses mean. */
export interface Handler<Op extends AnyOperationName> {
  encode<C>(operation: Operation<C, Op>, at: string): WireRequest<C>;
  decode<C>(operation: Operation<C, Op>, response: WireResponse, at: string): Reply<Op>;
}

/** What a wire is made of beside the operations that all of them have in common. */
export interface Dialect {
  readonly profile: Profile;
  /** Sent with what makes an object. */
  readonly headers: Readonly<Record<string, string>>;
  /** The URL of an object; of the bucket for an empty path. */
  urlOf(path: string): string;
  /** The URL of an object of this or another bucket. @throws CosSliceError `invalid-options` for a bucket that has no URL here */
  placeOf(place: { readonly bucket: string; readonly path: string }): string;
  /** An object as the source of a copy, encoded. */
  sourceOf(path: string): string;
}

/** Headers that are stored with an object and come with it. */
const STORED_HEADERS = [
  'Cache-Control',
  'Content-Disposition',
  'Content-Encoding',
  'Content-Language',
  'Content-Type',
  'Expires',
] as const;

/** What an option asks for that these servers have not. */
export function cannot(option: string, message: string): CosSliceError {
  return new CosSliceError('invalid-options', `invalid options: ${option} ${message}`, {
    issues: [{ option, message }],
  });
}

/** Adds a query: names in the order of signatures, a name without a value alone. */
export function withQuery(url: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  const texts = pairs.map(([name, value]) => (value === '' ? name : `${name}=${percentEncode(String(value))}`));
  return `${url}?${texts.join('&')}`;
}

interface Made {
  readonly overwrite: boolean;
  readonly attributes?: string | undefined;
  readonly mark?: string | undefined;
}

/** Metadata that tell which upload has made an object. */
export function markHeader({ prefix }: Profile): string {
  return `${prefix}meta-cos-slice-upload`;
}

/** Metadata that are an object's attributes, percent-encoded. */
export function attributesHeader({ prefix }: Profile): string {
  return `${prefix}meta-attributes`;
}

/** What is stored with an object and comes with it. */
export function storedHeaders(response: WireResponse, ...more: readonly string[]): Record<string, string> {
  const pairs = [...STORED_HEADERS, ...more].map((name) => [name, response.header(name)]);
  return Object.fromEntries(pairs.filter(([, value]) => value));
}

/** Headers of a request that makes an object: what is stored with it, and what keeps another one from being replaced. */
export function creatingHeaders(
  { profile, headers }: Dialect,
  request: Creating,
  { overwrite, attributes, mark }: Made,
): Record<string, string> {
  return {
    ...(request !== 'finish' && headers),
    ...(mark && { [markHeader(profile)]: mark }),
    ...(attributes !== undefined && { [attributesHeader(profile)]: percentEncode(attributes) }),
    ...keepingHeaders(profile, request, overwrite),
  };
}

/** What keeps another object from being replaced, on requests that it is sent with. */
export function keepingHeaders({ keep }: Profile, request: Creating, overwrite: boolean): Record<string, string> {
  const [name, value] = keep.header;
  return !overwrite && keep.sentOn.includes(request) ? { [name]: value } : {};
}

/** Asks a server that tells a CRC-64 only then. */
export function checksumMode({ crc64 }: Profile): Record<string, string> {
  return crc64?.sent ? { 'x-amz-checksum-mode': 'ENABLED' } : {};
}

/** Whether somebody has to look first, since nothing keeps the request from replacing what is there, or would say so early. */
export function looksFirst(
  { profile }: Dialect,
  request: Creating,
  { overwrite }: { readonly overwrite: boolean },
): boolean {
  return !overwrite && !profile.keep.honouredOn.includes(request);
}

export function locationAt(url: string): ObjectLocation {
  const path = url.replace(/^\w+:\/\/[^/]*/, '');
  return { accessUrl: url, sourceUrl: url, url, resourcePath: path };
}

export function unusable(what: string, response: WireResponse): Failure {
  return failed(response, 'bad-reply', `the server's reply has no usable ${what}`);
}

/** From hex to what headers have. */
export function toBase64(hex: string): string {
  return btoa(hex.replace(/../g, (byte) => String.fromCharCode(Number.parseInt(byte, 16))));
}

/** The CRC-64 that a response tells of what is stored, in hex. */
export function crc64Of({ crc64 }: Profile, told: string | undefined): string | undefined {
  if (!told) return undefined;
  if (crc64?.algorithm === 'crc64-xz') return /^\d{1,20}$/.test(told) ? toHex64(BigInt(told)) : undefined;
  return /^[\w+/]{11}=$/.test(told)
    ? Array.from(atob(told), (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('')
    : undefined;
}

function toHex64(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}

/** What sends a CRC-64 along with content, or says so for the parts of an upload; nothing where the server takes none. */
export function crc64Headers({ crc64 }: Profile, given: string | boolean | undefined): Record<string, string> {
  if (!crc64?.sent || !given) return {};
  if (given === true) {
    return { 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'FULL_OBJECT' };
  }
  return { [crc64.header]: toBase64(given) };
}

/** The MD5 that the ETag of a response is, in hex; undefined where it is something else, or may be for all that a page is shown. */
export function md5Of(profile: Profile, response: WireResponse): string | undefined {
  const isUnknown = response.filtered && encryptionOf(profile, response) === undefined;
  return isUnknown || isSealed(profile, response) ? undefined : md5In(profile, response.header('etag') ?? '');
}

/** The MD5 that an ETag is, in hex, of what is not sealed. */
export function md5In(profile: Profile, etag: string): string | undefined {
  const [, md5] = /^"?([\da-f]{32})"?$/i.exec(etag) ?? [];
  return profile.md5Etag ? md5?.toLowerCase() : undefined;
}

/** What is encrypted with a key that the server does not have at hand has an ETag that only looks like an MD5. */
export function isSealed(profile: Profile, response: WireResponse): boolean {
  const encryption = encryptionOf(profile, response) ?? 'AES256';
  const customers = `${profile.prefix}server-side-encryption-customer-algorithm`;
  return encryption !== 'AES256' || response.header(customers) !== undefined;
}

function encryptionOf({ prefix }: Profile, response: WireResponse): string | undefined {
  return response.header(`${prefix}server-side-encryption`);
}
