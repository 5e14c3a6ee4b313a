import type { Credentials } from '../ports.ts';
import { percentEncode } from '../protocol/percent.ts';
import { digestHex, hmac, toHex, toUtf8 } from './hash.ts';

/** What a signature of the COS XML API covers: method, path, and as much of the rest as the signer wants. */
export interface CosRequest {
  readonly method: string;
  /** As text, not encoded, with its leading slash. */
  readonly path: string;
  /** Query parameters to be signed, not encoded. */
  readonly params?: Readonly<Record<string, string>>;
  /** Headers to be signed. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** When a signature is good, in epoch seconds. */
export interface CosWindow {
  readonly startSec: number;
  readonly endSec: number;
}

/** The fields of a signature (`q-sign-algorithm=sha1`), in order and not encoded. */
export async function cosSignature(
  { method, path, params = {}, headers = {} }: CosRequest,
  { secretId, secretKey }: Credentials,
  { startSec, endSec }: CosWindow,
): Promise<[name: string, value: string][]> {
  const keyTime = `${startSec};${endSec}`;
  const signedParams = toList(params);
  const signedHeaders = toList(headers);
  const httpString = `${method.toLowerCase()}\n${path}\n${signedParams.text}\n${signedHeaders.text}\n`;
  const textToSign = `sha1\n${keyTime}\n${await digestHex('SHA-1', httpString)}\n`;
  // The key of the second one is the hex text of the first.
  const signKey = await hmacHex(secretKey, keyTime);
  return [
    ['q-sign-algorithm', 'sha1'],
    ['q-ak', secretId],
    ['q-sign-time', keyTime],
    ['q-key-time', keyTime],
    ['q-header-list', signedHeaders.names],
    ['q-url-param-list', signedParams.names],
    ['q-signature', await hmacHex(signKey, textToSign)],
  ];
}

/** The signature as the `Authorization` header has it. */
export function cosHeader(fields: readonly (readonly [string, string])[]): string {
  return fields.map(([name, value]) => `${name}=${value}`).join('&');
}

/** The signature as a query has it. */
export function cosQuery(fields: readonly (readonly [string, string])[]): string {
  return fields.map(([name, value]) => `${name}=${percentEncode(value)}`).join('&');
}

async function hmacHex(key: string, text: string): Promise<string> {
  return toHex(await hmac('SHA-1', toUtf8(key), toUtf8(text)));
}

function toList(values: Readonly<Record<string, string>>): { readonly names: string; readonly text: string } {
  const pairs = Object.entries(values).map(
    ([name, value]) => [percentEncode(name).toLowerCase(), percentEncode(value)] as const,
  );
  pairs.sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    names: pairs.map(([name]) => name).join(';'),
    text: pairs.map(([name, value]) => `${name}=${value}`).join('&'),
  };
}
