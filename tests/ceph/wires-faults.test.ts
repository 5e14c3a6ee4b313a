import { afterAll, describe } from 'vitest';
import { describeFaults, type FaultPlace } from '../support/faults.ts';
import { ceph } from './support/bucket.ts';
import { type FacadeProcess, startFacadeProcess } from './support/facade-process.ts';
import { type Gateway, startGateway } from './support/gateway.ts';
import { emptyBucket, makeBucket } from './support/s3.ts';
import { COS_FACTS, cosPlaceAt, PART_BYTES, S3_FACTS, s3PlaceAt } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';
/** More than an hour, which is how long a signature of COS may be used. */
const LATER_MS = 2 * 3600 * 1000;

/** Prepares once what all tests use, each of which finds the bucket empty. */
function shared<T>(begin: (bucket: string) => Promise<T>) {
  let beginning: Promise<{ readonly bucket: string; readonly it: T }> | undefined;
  return async () => {
    beginning ??= makeBucket(endpoint).then(async (bucket) => ({ bucket, it: await begin(bucket) }));
    const { bucket, it } = await beginning;
    await emptyBucket(endpoint, bucket);
    return { bucket, it, loseSessions: () => emptyBucket(endpoint, bucket, 'nothing but uploads') };
  };
}

describe.skipIf(!ceph)('on Ceph', () => {
  const gateway = shared((): Promise<Gateway> => startGateway(ceph as NonNullable<typeof ceph>, 'faults', PART_BYTES));
  describeFaults('S3', S3_FACTS, async (): Promise<FaultPlace> => {
    const { bucket, it, loseSessions } = await gateway();
    return {
      ...s3PlaceAt(endpoint, bucket, it.endpoint),
      responseMs: 10_000,
      async replaceServers() {
        await it.kill();
        await it.restart();
      },
      loseSessions,
      async close() {},
    };
  });

  let process: FacadeProcess | undefined;
  afterAll(() => process?.close());
  const facade = shared(async (bucket) => {
    process = await startFacadeProcess(endpoint, bucket);
    return process;
  });
  describeFaults('the XML API of COS', COS_FACTS, async (): Promise<FaultPlace> => {
    const { bucket, it, loseSessions } = await facade();
    const place = cosPlaceAt(endpoint, bucket, it.port);
    let isAged = false;
    const replace = async (aheadMs = 0): Promise<void> => {
      await it.kill();
      await it.restart(aheadMs);
    };
    return {
      ...place,
      responseMs: 10_000,
      replaceServers: () => replace(),
      loseSessions,
      expiring: place.options,
      expire() {
        isAged = true;
        return replace(LATER_MS);
      },
      async close() {
        if (isAged) await replace();
      },
    };
  });
});
