import { setTimeout as sleep } from 'node:timers/promises';
import type { VendorPlace } from '../../support/vendor-place.ts';
import { ceph } from './bucket.ts';
import { type Farm, startFarm } from './farm.ts';
import { contentsOf, emptyBucket } from './s3.ts';

export interface VendorPlaces {
  /** An empty place. One of its two servers has just been killed, and comes back in the middle of what is done there. */
  start(): Promise<VendorPlace>;
  close(): Promise<void>;
}

/** Two servers on Ceph. */
export function vendorPlaces(balancer: 'nginx' | 'haproxy'): VendorPlaces {
  let starting: Promise<Farm> | undefined;
  let returning = Promise.resolve();

  /** Always the same one: a balancer needs a moment to see that it is back, and these clients do not try everything again. */
  async function killForAWhile(farm: Farm): Promise<void> {
    await farm.kill(0);
    returning = sleep(700).then(() => farm.restart(0));
    // Whoever waits for it hears of it.
    returning.catch(() => {});
  }

  return {
    async start() {
      starting ??= startFarm(ceph?.endpoint ?? '', { balancer });
      const farm = await starting;
      const { endpoint, s3Bucket, keyPrefix } = farm;
      // A server that starts tries out what the store can, and is not to find that removed under its hands.
      await returning.catch(() => {});
      await emptyBucket(endpoint, s3Bucket);
      await killForAWhile(farm);
      return {
        port: farm.port,
        read: farm.read,
        answered: farm.answered,
        async names() {
          const { keys } = await contentsOf(endpoint, s3Bucket);
          return keys.filter((key) => key.startsWith(keyPrefix)).map((key) => key.slice(keyPrefix.length));
        },
        async crash() {
          await returning;
          await killForAWhile(farm);
        },
      };
    },
    async close() {
      await returning.catch(() => {});
      await (await starting)?.close();
    },
  };
}
