import { join } from 'node:path';
import { describeEndToEnd } from './support/end-to-end.ts';
import { JSON_FACTS } from './support/place.ts';
import { startStore, startTwoServers } from './support/store.ts';

describeEndToEnd('a server on files', JSON_FACTS, (folder) => startStore(join(folder, 'store'), { publicRead: true }));
describeEndToEnd('two servers on a store without files', JSON_FACTS, () => startTwoServers({ publicRead: true }));
