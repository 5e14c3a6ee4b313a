import { describeVendorNode } from './support/vendor-node.ts';
import { startVendorStore } from './support/vendor-place.ts';

describeVendorNode('a server on files', startVendorStore);
