import { afterAll, describe } from 'vitest';
import { describeVendorNode } from '../support/vendor-node.ts';
import { ceph, emptyBucket } from './support/bucket.ts';
import { type Farm, startFarm } from './support/farm.ts';

describe.skipIf(!ceph)('on Ceph', () => {
  let starting: Promise<Farm> | undefined;
  afterAll(async () => (await starting)?.close());

  describeVendorNode('two servers behind haproxy', async () => {
    starting ??= startFarm(ceph?.endpoint ?? '', { balancer: 'haproxy' });
    const farm = await starting;
    await emptyBucket(farm.endpoint, farm.s3Bucket);
    return farm;
  });
});
