import type { Settings } from './options.ts';
import type { ObjectInfo } from './store/store.ts';

/** Whether everybody may read an object: it says so itself, or else its bucket does. */
export function isPublic({ publicRead }: Settings, { authority }: Pick<ObjectInfo, 'authority'>): boolean {
  return authority === undefined ? publicRead : authority === 'eWPrivateRPublic';
}

/** Whether some account has this bucket. */
export function isBucket(
  { accountsBySecretId }: Settings,
  { appId, bucket }: { appId: string; bucket: string },
): boolean {
  for (const account of accountsBySecretId.values()) {
    if (account.appId === appId && account.buckets.includes(bucket)) return true;
  }
  return false;
}
