import { CHROMIUMS } from '@cos-slice/testkit/chromium';
import { describe } from 'vitest';
import { describeVendorBrowser } from '../support/vendor-browser.ts';
import { ceph } from './support/bucket.ts';
import { vendorPlaces } from './support/vendor-place.ts';

describe.skipIf(!ceph)('on Ceph', () => {
  describeVendorBrowser('two servers behind nginx', vendorPlaces('nginx'), {
    // The client is the same in each: one is enough here.
    chromiums: CHROMIUMS.slice(0, 1),
    crashes: true,
  });
});
