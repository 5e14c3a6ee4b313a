import { afterAll, describe } from 'vitest';
import { describeVendorNode } from '../support/vendor-node.ts';
import { ceph } from './support/bucket.ts';
import { vendorPlaces } from './support/vendor-place.ts';

describe.skipIf(!ceph)('on Ceph', () => {
  const places = vendorPlaces('haproxy');
  afterAll(() => places.close());

  describeVendorNode('two servers behind haproxy', places.start, { crashes: true });
});
