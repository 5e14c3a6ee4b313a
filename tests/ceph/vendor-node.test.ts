import { describe } from 'vitest';
import { describeVendorNode } from '../support/vendor-node.ts';
import { ceph } from './support/bucket.ts';
import { vendorPlaces } from './support/vendor-place.ts';

describe.skipIf(!ceph)('on Ceph', () => {
  describeVendorNode('two servers behind haproxy', vendorPlaces('haproxy'), { crashes: true });
});
