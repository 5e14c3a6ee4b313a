import { join } from 'node:path';
import { describeEndToEnd } from './support/end-to-end.ts';
import { startStore, startTwoServers } from './support/store.ts';

describeEndToEnd('a server on files', (folder) => startStore(join(folder, 'store'), { publicRead: true }));
describeEndToEnd('two servers on a store without files', () => startTwoServers({ publicRead: true }));
