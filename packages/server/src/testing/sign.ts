import { createHmac } from 'node:crypto';
import type { Account } from '../options.ts';

export const ACCOUNT: Account = {
  appId: '10055004',
  secretId: 'AKIDxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  secretKey: 'SECRETKEYxxxxxxxxxxxxxxxxxxxxxxxx',
  buckets: ['demobucket', 'other'],
};

export interface SignParts {
  a?: string;
  b?: string;
  k?: string;
  e?: number;
  t?: number;
  f?: string;
  secretKey?: string;
  /** The order of the keys. */
  order?: string;
}

/** Signs as the protocol's section 2 says; good for an hour unless told otherwise. */
export function sign(parts: SignParts = {}): string {
  const nowSec = Math.floor(Date.now() / 1000);
  const claims: Record<string, string | number> = {
    a: ACCOUNT.appId,
    b: 'demobucket',
    k: ACCOUNT.secretId,
    e: nowSec + 3600,
    t: nowSec,
    r: Math.floor(Math.random() * 1e10),
    f: '',
    ...parts,
  };
  const plain = [...(parts.order ?? 'abketrf')].map((key) => `${key}=${claims[key]}`).join('&');
  return signText(plain, parts.secretKey);
}

export function signText(plain: string, secretKey: string = ACCOUNT.secretKey): string {
  const mac = createHmac('sha1', secretKey).update(plain).digest();
  return Buffer.concat([mac, Buffer.from(plain)]).toString('base64');
}

/** A signature for one use on the path. */
export function signOnce(path: string, parts: SignParts = {}): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return sign({ e: 0, f: `/${ACCOUNT.appId}/demobucket/${encoded}`, ...parts });
}
