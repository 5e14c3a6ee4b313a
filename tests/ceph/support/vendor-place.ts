import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from 'vitest';
import type { VendorPlace } from '../../support/vendor-place.ts';
import { ceph } from './bucket.ts';
import { type Farm, startFarm } from './farm.ts';
import { contentsOf } from './s3.ts';
import { shared } from './shared.ts';

/**
 * Two servers on Ceph, once for many tests, each of which finds the place empty. One of the servers has just been killed, and
 * comes back in the middle of what is done there.
 */
export function vendorPlaces(balancer: 'nginx' | 'haproxy'): () => Promise<VendorPlace> {
  const endpoint = ceph?.endpoint ?? '';
  let returning = Promise.resolve();
  // Hooks go backwards: before the servers are closed.
  const farms = shared(endpoint, (bucket) => startFarm(endpoint, { balancer, bucket }));
  afterAll(() => returning.catch(() => {}));

  /** Always the same one: a balancer needs a moment to see that it is back, and these clients do not try everything again. */
  async function killForAWhile(farm: Farm): Promise<void> {
    await farm.kill(0);
    returning = sleep(700).then(() => farm.restart(0));
    // Whoever waits for it hears of it.
    returning.catch(() => {});
  }

  return async () => {
    // A server that starts tries out what the store can, and is not to find that removed under its hands.
    await returning.catch(() => {});
    const farm = await farms();
    const { bucket, keyPrefix } = farm;
    await killForAWhile(farm);
    return {
      port: farm.port,
      read: farm.read,
      answered: farm.answered,
      async names() {
        const { keys } = await contentsOf(endpoint, bucket);
        return keys.filter((key) => key.startsWith(keyPrefix)).map((key) => key.slice(keyPrefix.length));
      },
      async crash() {
        await returning;
        await killForAWhile(farm);
      },
    };
  };
}
