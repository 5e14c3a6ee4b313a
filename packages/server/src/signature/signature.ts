import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Account } from '../options.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { encodePath, onePathEnd, percentDecode } from '../protocol/path.ts';
import type { Target } from '../store/store.ts';

const HMAC_BYTES = 20;
const MAX_SIGNATURE_CHARS = 8192;
const MAX_AHEAD_SEC = 90 * 24 * 3600;
/** How long a one-time signature is good for, before and after its `t`; used ones are remembered that long. */
export const ONCE_WINDOW_SEC = 600;

/** What a request is signed for, once the signature itself has been found genuine. */
export interface Grant {
  /** `once`: made for a single delete, update or move (protocol section 2). */
  readonly kind: 'multi' | 'once';
  /** The decoded `f`, or undefined when the signature covers the whole bucket. */
  readonly fileId: string | undefined;
  /** What the vendor's PHP client would mean by the `f`: it encodes the path of a one-time signature twice. */
  readonly twiceEncoded: string | undefined;
  /** Tells signatures apart; a digest, so it can be kept without keeping the signature. */
  readonly id: string;
}

/** A signature that is one of ours. Whether it is still good, and for what, is another question. */
export interface Genuine extends Claims {
  readonly account: Account;
  readonly id: string;
}

/** Checks a signature's HMAC. @throws ProtocolError -48 missing or unreadable, -47 unknown secret id, -97 HMAC */
export function verify(text: string | undefined, accounts: ReadonlyMap<string, Account>): Genuine {
  const { mac, plain } = decode(text);
  const claims = parseClaims(plain.toString('utf8'));
  const account = accounts.get(claims.secretId);
  if (!account) throw new ProtocolError('unknownSecretId');
  if (!timingSafeEqual(mac, createHmac('sha1', account.secretKey).update(plain).digest())) {
    throw new ProtocolError('signatureMismatch');
  }
  return { ...claims, account, id: mac.toString('hex') };
}

/**
 * Checks a genuine signature against the address it came with: its appid, bucket and time. What it may be used for is
 * left to {@link allows}, since the operation is only known from the body.
 *
 * @throws ProtocolError -70 appid, -61 bucket, -133 a bucket that is none of the account's, -59 expired, -97 `e` more
 *   than 90 days ahead
 */
export function grantOf(genuine: Genuine, target: Target, nowSec: number): Grant {
  const { account, appId, bucket, expiresAtSec, fileId, twiceEncoded, id } = genuine;
  if (appId !== account.appId || appId !== target.appId) throw new ProtocolError('signatureAppId');
  if (bucket !== target.bucket) throw new ProtocolError('signatureBucket');
  if (!account.buckets.includes(target.bucket)) throw new ProtocolError('bucketUnknown');
  checkTime(genuine, nowSec);
  return { kind: expiresAtSec === 0 ? 'once' : 'multi', fileId, twiceEncoded, id };
}

/** How a request uses its signature: `once` for delete, `read` for downloads, `write` for everything else. */
export type Use = 'write' | 'read' | 'once';

/**
 * Whether the signature's `f` covers the path. The vendor calls `f` a prefix; here it ends at a slash, so that
 * `/a/b/dir` covers `/a/b/dir` and `/a/b/dir/x` and not `/a/b/dirty`. Downloads may leave out `/appid/bucket`.
 *
 * @throws ProtocolError -97 for the wrong kind of signature, -63 when the path is not covered
 */
export function allows(grant: Grant, target: Target, use: Use): void {
  if (grant.kind !== (use === 'once' ? 'once' : 'multi')) {
    throw new ProtocolError(
      'signatureMismatch',
      use === 'once' ? 'this operation needs a one-time signature (e=0)' : 'a one-time signature does not cover this',
    );
  }
  const full = `/${target.appId}/${target.bucket}/${target.path}`;
  if (use === 'once') {
    if (grant.fileId !== full && grant.twiceEncoded !== full) throw new ProtocolError('signatureFileId');
    return;
  }
  if (isCovered(grant, target)) return;
  if (use === 'read' && grant.fileId !== undefined && covers(`/${grant.fileId.replace(/^\//, '')}`, `/${target.path}`))
    return;
  throw new ProtocolError('signatureFileId');
}

/** Whether a signature is for the whole bucket, or for a path at or above this one. */
export function isCovered({ fileId }: Grant, { appId, bucket, path }: Target): boolean {
  const whole = `/${appId}/${bucket}`;
  // One for a download says a path only, and that may look like an appid.
  return fileId === undefined || (covers(whole, fileId) && covers(fileId, `${whole}/${path}`));
}

function covers(prefix: string, path: string): boolean {
  return (
    path.startsWith(prefix) && (path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/')
  );
}

function decode(text: string | undefined): { mac: Buffer; plain: Buffer } {
  if (!text) throw new ProtocolError('signatureUnreadable', 'the request is not signed');
  if (text.length > MAX_SIGNATURE_CHARS) throw new ProtocolError('signatureUnreadable', 'too long');
  const bytes = Buffer.from(text, 'base64');
  // Buffer ignores what is not base64; only a round trip shows that nothing was ignored.
  if (bytes.length <= HMAC_BYTES || bytes.toString('base64') !== text) {
    throw new ProtocolError('signatureUnreadable', 'not base64 of an HMAC and a text');
  }
  return { mac: bytes.subarray(0, HMAC_BYTES), plain: bytes.subarray(HMAC_BYTES) };
}

interface Claims {
  readonly appId: string;
  readonly bucket: string;
  readonly secretId: string;
  readonly expiresAtSec: number;
  readonly signedAtSec: number;
  /** Decoded; undefined when it is empty. */
  readonly fileId: string | undefined;
  readonly twiceEncoded: string | undefined;
}

/** The order in which the vendor's PHP client writes the keys. */
const PHP_ORDER = 'a b k e t r f';

/** Clients differ in the order of the keys, so only their names count; a key given twice could mean two things. */
function parseClaims(plain: string): Claims {
  const claims = new Map<string, string>();
  for (const pair of plain.split('&')) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, at);
    if (at < 0 || claims.has(key)) throw new ProtocolError('signatureUnreadable', 'malformed text');
    claims.set(key, pair.slice(at + 1));
  }
  const claim = (key: string, pattern: RegExp): string => {
    const value = claims.get(key);
    if (value === undefined || !pattern.test(value)) {
      throw new ProtocolError('signatureUnreadable', `${key} is missing or malformed`);
    }
    return value;
  };
  const encoded = claims.get('f') ?? '';
  const fileId = encoded === '' ? undefined : decodeFileId(encoded);
  return {
    appId: claim('a', /./),
    bucket: claim('b', /./),
    secretId: claim('k', /./),
    expiresAtSec: Number(claim('e', /^\d{1,12}$/)),
    signedAtSec: Number(claim('t', /^\d{1,12}$/)),
    fileId,
    twiceEncoded: [...claims.keys()].join(' ') === PHP_ORDER ? decodeAgain(fileId) : undefined,
  };
}

function decodeFileId(text: string): string {
  return onePathEnd(percentDecode(text) ?? text);
}

/**
 * Only what is the encoding of a path, to the letter: then it has the same segments, and what needs no encoding is the same.
 */
function decodeAgain(fileId: string | undefined): string | undefined {
  const path = fileId && percentDecode(fileId);
  if (!path || path === fileId) return undefined;
  const encoded = encodePath(path).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return encoded === fileId ? onePathEnd(path) : undefined;
}

function checkTime({ expiresAtSec, signedAtSec }: Claims, nowSec: number): void {
  if (expiresAtSec === 0) {
    if (Math.abs(nowSec - signedAtSec) > ONCE_WINDOW_SEC) throw new ProtocolError('signatureExpired');
  } else if (expiresAtSec <= nowSec) {
    throw new ProtocolError('signatureExpired');
  } else if (expiresAtSec > nowSec + MAX_AHEAD_SEC) {
    throw new ProtocolError('signatureMismatch', 'expires more than 90 days ahead');
  }
}
