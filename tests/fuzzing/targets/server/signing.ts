import { createHmac } from 'node:crypto';

export const NOW_SEC = 1_600_000_000;
export const ACCOUNT = {
  appId: '10055004',
  secretId: 'AKID',
  secretKey: 'no-stranger-knows-this-key',
  buckets: ['demobucket', 'other'],
};

/** What a request may change, by the signatures in it that are genuine. */
export interface Allowed {
  readonly kind: 'multi' | 'once';
  readonly fileId: string;
}

/**
 * Puts genuine signatures where an input asks for some: `{multi}`, `{multi:/10055004/demobucket/dir}`, `{once:a}`. All others it
 * would have to forge.
 */
export function withSignatures(text: string): { readonly text: string; readonly allowed: readonly Allowed[] } {
  const allowed: Allowed[] = [];
  const signed = text.replace(/\{(multi|once)(?::([^{}\r\n]{0,200}))?\}/g, (_all, kind: 'multi' | 'once', of = '') => {
    const fileId = kind === 'once' ? `/10055004/demobucket/${of}` : of;
    allowed.push({ kind, fileId });
    return sign(kind, fileId);
  });
  return { text: signed, allowed };
}

function sign(kind: 'multi' | 'once', fileId: string): string {
  const expires = kind === 'once' ? 0 : NOW_SEC + 3600;
  const plain = Buffer.from(`a=10055004&b=demobucket&k=AKID&e=${expires}&t=${NOW_SEC}&r=1&f=${fileId}`, 'latin1');
  const mac = createHmac('sha1', ACCOUNT.secretKey).update(plain).digest();
  return Buffer.concat([mac, plain]).toString('base64');
}

/** Whether what was done to a path, below the application, is what one of the signatures allows. */
export function isAllowed(allowed: readonly Allowed[], path: string, change: 'made' | 'changed' | 'gone'): boolean {
  if (!path.startsWith('demobucket/')) return false;
  const full = `/10055004/${path}`;
  return allowed.some(({ kind, fileId }) => {
    if (fileId === '') return true;
    const ids = [fileId, decoded(fileId), decoded(decoded(fileId))].map((id) => id.replace(/\/+$/, ''));
    if (ids.some((id) => full === id || full === `${id}/` || full.startsWith(`${id}/`))) return true;
    // One for a single use leaves open where to. What is there is only replaced when the request says so.
    return kind === 'once' && change !== 'gone';
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
