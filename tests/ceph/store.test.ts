import { type S3Abilities, type S3StoreOptions, s3Store } from '@cos-slice/server';
import { describeStore } from '@cos-slice/server/testing';
import { describe } from 'vitest';
import { ceph, storeOptions } from './support/bucket.ts';
import { makeBucket } from './support/s3.ts';

describe.skipIf(!ceph)('on Ceph', () => {
  const endpoint = ceph?.smallEndpoint ?? '';
  const bucket = ceph && makeBucket(endpoint);
  let place = 0;
  let abilities: S3Abilities | undefined;

  describeStore('s3Store', async () => {
    const options: S3StoreOptions = {
      ...storeOptions(endpoint, (await bucket) ?? ''),
      prefix: `place-${place++}`,
      minPartBytes: 65_536,
      onAbilities(found) {
        abilities = found;
      },
    };
    const open = () => s3Store({ ...options, ...(abilities && { abilities }) });
    return { open, isFlat: true, hasClock: true };
  });
});
