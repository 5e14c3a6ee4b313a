import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFaults, type FaultPlace } from './support/faults.ts';
import { JSON_FACTS } from './support/place.ts';
import { BRIEF_SEC, signBriefly, startStore } from './support/store.ts';

describeFaults('a server on files', JSON_FACTS, async (folder): Promise<FaultPlace> => {
  let aheadMs = 0;
  const nowMs = () => Date.now() + aheadMs;
  let store = await startStore(join(folder, 'store'), { nowMs });
  async function replaceServers(): Promise<void> {
    await store.close();
    store = await startStore(store.root, { nowMs }, store.port);
  }
  return {
    ...store,
    replaceServers,
    async loseSessions() {
      await store.close();
      await rm(join(store.root, '.cos-slice', 'sessions'), { recursive: true });
      store = await startStore(store.root, { nowMs }, store.port);
    },
    expiring: signBriefly(),
    async expire() {
      aheadMs += 2 * BRIEF_SEC * 1000;
    },
    close: () => store.close(),
  };
});
