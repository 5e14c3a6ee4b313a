import { hmac, toUtf8 } from './hash.ts';

/** The parts of a signature's text (protocol section 2). Times in epoch seconds. */
export interface SignatureFields {
  readonly appId: string;
  readonly bucket: string;
  readonly secretId: string;
  /** 0: to be used once. */
  readonly expiresAtSec: number;
  readonly nowSec: number;
  readonly random: number;
  /** `/<appid>/<bucket>/<encoded path>`, or empty: the whole bucket. */
  readonly fileId: string;
}

/** Servers read the text by key, but clients differ in the order they write it. */
export type SignatureKey = 'a' | 'b' | 'k' | 'e' | 't' | 'r' | 'f';

/** Any order is good but PHP's (a, b, k, ...): servers may decode the paths of that twice (protocol section 2). */
const ORDER: readonly SignatureKey[] = ['a', 'k', 'b', 'e', 't', 'r', 'f'];

export function signatureText(fields: SignatureFields, order: readonly SignatureKey[] = ORDER): string {
  const values = {
    a: fields.appId,
    b: fields.bucket,
    k: fields.secretId,
    e: fields.expiresAtSec,
    t: fields.nowSec,
    r: fields.random,
    f: fields.fileId,
  };
  return order.map((key) => `${key}=${values[key]}`).join('&');
}

/** Makes `base64(HMAC-SHA1(secretKey, text) || text)`. */
export type TextSigner = (secretKey: string, text: string) => string | Promise<string>;

/** A `TextSigner` that every runtime has. */
export async function signText(secretKey: string, text: string): Promise<string> {
  const bytes = toUtf8(text);
  const mac = await hmac('SHA-1', toUtf8(secretKey), bytes);
  let binary = '';
  for (const byte of mac) binary += String.fromCharCode(byte);
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** When a signature expires, in epoch seconds; undefined when it cannot be read or is to be used once. */
export function signatureExpirySec(signature: string): number | undefined {
  return readTime(signature, 'e');
}

/**
 * How long a signature is good for from the moment it is made; for ever when that cannot be read.
 *
 * @param nowSec by our own clock, for those that do not say when they were made
 */
export function signatureLifeMs(signature: string, nowSec: number): number {
  const expiresAtSec = readTime(signature, 'e');
  const signedAtSec = readTime(signature, 't') ?? nowSec;
  if (expiresAtSec === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, expiresAtSec - signedAtSec) * 1000;
}

/** A time in the text of a signature, in epoch seconds; undefined when there is none. */
function readTime(signature: string, key: 'e' | 't'): number | undefined {
  let binary: string;
  try {
    binary = atob(signature);
  } catch {
    return undefined;
  }
  const seconds = new RegExp(`(?:^|&)${key}=(\\d+)(?:&|$)`).exec(binary.slice(20))?.[1];
  return seconds === undefined || seconds === '0' ? undefined : Number(seconds);
}
