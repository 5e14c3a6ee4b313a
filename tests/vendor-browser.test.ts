import { describeVendorBrowser } from './support/vendor-browser.ts';
import { startVendorStore } from './support/vendor-place.ts';

describeVendorBrowser('a server on files', startVendorStore);
