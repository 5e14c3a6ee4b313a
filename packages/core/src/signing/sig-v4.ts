import type { Credentials } from '../ports.ts';
import { percentEncode, readQuery, splitUrl } from '../protocol/percent.ts';
import { type Bytes, digestHex, hmac, toHex, toUtf8 } from './hash.ts';

/** A request as AWS Signature Version 4 sees it. The whole query is signed in any case. */
export interface V4Request {
  readonly method: string;
  /** Absolute, percent-encoded once. */
  readonly url: string;
  /** Those to be signed; `host` is added. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hex, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
}

export interface V4Scope {
  readonly region: string;
  /** Default `s3`. */
  readonly service?: string;
  readonly nowSec: number;
  /** Remembers the key of a day, which costs four signatures. */
  readonly keys?: Map<string, Promise<Bytes>>;
}

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
const ALGORITHM = 'AWS4-HMAC-SHA256';

/** `20130524T000000Z` */
export function amzDate(nowSec: number): string {
  return new Date(nowSec * 1000).toISOString().replace(/[:-]|\.\d+/g, '');
}

/** The value of the `Authorization` header. Headers `x-amz-date` and `x-amz-content-sha256` are among those of the request. */
export async function signV4(request: V4Request, credentials: Credentials, scope: V4Scope): Promise<string> {
  const names = signedNames(request.headers);
  const signature = await signatureOf(request, names, credentials, scope);
  const credential = `${credentials.secretId}/${scopeOf(scope)}`;
  return `${ALGORITHM} Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
}

/** The URL with a signature in its query, good for `expiresSec`: at most seven days. The token is in it, where there is one. */
export async function presignV4(
  request: Omit<V4Request, 'payloadHash'>,
  credentials: Credentials,
  scope: V4Scope & { readonly expiresSec: number },
): Promise<string> {
  const names = signedNames(request.headers);
  const query = [
    `X-Amz-Algorithm=${ALGORITHM}`,
    `X-Amz-Credential=${percentEncode(`${credentials.secretId}/${scopeOf(scope)}`)}`,
    `X-Amz-Date=${amzDate(scope.nowSec)}`,
    `X-Amz-Expires=${scope.expiresSec}`,
    ...(credentials.token === undefined ? [] : [`X-Amz-Security-Token=${percentEncode(credentials.token)}`]),
    `X-Amz-SignedHeaders=${percentEncode(names.join(';'))}`,
  ].join('&');
  const url = `${request.url}${request.url.includes('?') ? '&' : '?'}${query}`;
  const signature = await signatureOf({ ...request, url, payloadHash: UNSIGNED_PAYLOAD }, names, credentials, scope);
  return `${url}&X-Amz-Signature=${signature}`;
}

async function signatureOf(
  request: V4Request,
  names: readonly string[],
  credentials: Credentials,
  scope: V4Scope,
): Promise<string> {
  const canonical = await digestHex('SHA-256', canonicalRequest(request, names));
  const text = [ALGORITHM, amzDate(scope.nowSec), scopeOf(scope), canonical].join('\n');
  const key = await signingKey(credentials.secretKey, scope);
  return toHex(await hmac('SHA-256', key, toUtf8(text)));
}

function canonicalRequest({ method, url, headers, payloadHash }: V4Request, names: readonly string[]): string {
  const { host, path, query } = splitUrl(url);
  const values = new Map([
    ['host', host],
    ...Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text]),
  ] as [string, string][]);
  const lines = names.map((name) => `${name}:${values.get(name)?.trim().replace(/\s+/g, ' ')}\n`);
  const pairs = readQuery(query).map((pair) => pair.map(percentEncode) as [string, string]);
  const sorted = pairs.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1));
  return [
    method,
    path,
    sorted.map(([name, value]) => `${name}=${value}`).join('&'),
    lines.join(''),
    names.join(';'),
    payloadHash,
  ].join('\n');
}

function signedNames(headers: V4Request['headers']): string[] {
  return ['host', ...Object.keys(headers).map((name) => name.toLowerCase())].sort();
}

function dayOf({ nowSec }: V4Scope): string {
  return amzDate(nowSec).slice(0, 8);
}

function scopeOf(scope: V4Scope): string {
  return `${dayOf(scope)}/${scope.region}/${scope.service ?? 's3'}/aws4_request`;
}

function signingKey(secretKey: string, scope: V4Scope): Promise<Bytes> {
  const { keys } = scope;
  const name = `${scopeOf(scope)}/${secretKey}`;
  const known = keys?.get(name);
  if (known) return known;
  const key = deriveKey(secretKey, scope);
  // That of another day, or of credentials that have been renewed, is of no use any more.
  keys?.clear();
  keys?.set(name, key);
  return key;
}

async function deriveKey(secretKey: string, scope: V4Scope): Promise<Bytes> {
  let key = toUtf8(`AWS4${secretKey}`);
  for (const text of [dayOf(scope), scope.region, scope.service ?? 's3', 'aws4_request']) {
    key = await hmac('SHA-256', key, toUtf8(text));
  }
  return key;
}
