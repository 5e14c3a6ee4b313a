import { describe } from 'vitest';
import { describeFaults, type FaultPlace } from '../support/faults.ts';
import { JSON_FACTS } from '../support/place.ts';
import { BRIEF_SEC, signBriefly } from '../support/store.ts';
import { ceph } from './support/bucket.ts';
import { startFarm } from './support/farm.ts';
import { emptyBucket } from './support/s3.ts';
import { shared } from './support/shared.ts';

const endpoint = ceph?.smallEndpoint ?? '';

describe.skipIf(!ceph)('on Ceph', () => {
  // Slices as small as those on disks: some faults come sooner than 5 MiB.
  const farms = shared(endpoint, (bucket) => startFarm(endpoint, { bucket, more: ['--part-size', '1MiB'] }));

  describeFaults('two servers behind nginx, one killed in the middle', JSON_FACTS, async (): Promise<FaultPlace> => {
    const farm = await farms();
    const { bucket, ports } = farm;
    let changing = Promise.resolve();
    // One thing at a time happens to the servers.
    const change = (work: () => Promise<unknown>): Promise<void> => {
      const mine = changing.then(work).then(() => {});
      // What has failed is its own test's trouble.
      changing = mine.catch(() => {});
      return mine;
    };
    return {
      ...farm,
      responseMs: 10_000,
      disturb: () => change(() => farm.disturb()),
      replaceServers: () =>
        change(async () => {
          for (const index of ports.keys()) {
            await farm.kill(index, 'SIGTERM');
            await farm.restart(index);
          }
        }),
      // With their slices, which servers would remove in time.
      loseSessions: () =>
        change(async () => {
          for (const what of ['sessions', 'slices']) await emptyBucket(endpoint, bucket, `files/.cos-slice/${what}/`);
        }),
      expiring: signBriefly(),
      expire: () =>
        change(async () => {
          await Promise.all([...ports.keys()].map((index) => farm.kill(index)));
          await Promise.all([...ports.keys()].map((index) => farm.restart(index, 2 * BRIEF_SEC * 1000)));
        }),
      async close() {},
    };
  });
});
