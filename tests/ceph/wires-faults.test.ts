import { describe } from 'vitest';
import { describeFaults, type FaultPlace } from '../support/faults.ts';
import { ceph } from './support/bucket.ts';
import { startFacadeProcess } from './support/facade-process.ts';
import { startGateway } from './support/gateway.ts';
import { dropUploads } from './support/s3.ts';
import { shared } from './support/shared.ts';
import { COS_FACTS, cosPlaceAt, PART_BYTES, S3_FACTS, s3PlaceAt } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';
/** More than an hour, which is how long a signature of COS may be used. */
const LATER_MS = 2 * 3600 * 1000;

describe.skipIf(!ceph)('on Ceph', () => {
  const gateways = shared(endpoint, () => startGateway(ceph as NonNullable<typeof ceph>, 'faults', PART_BYTES));
  describeFaults('S3', S3_FACTS, async (): Promise<FaultPlace> => {
    const { bucket, ...gateway } = await gateways();
    return {
      ...s3PlaceAt(endpoint, bucket, gateway.endpoint),
      responseMs: 10_000,
      replaceServers: () => gateway.replace(),
      loseSessions: () => dropUploads(endpoint, bucket),
      async close() {},
    };
  });

  const facades = shared(endpoint, (bucket) => startFacadeProcess(endpoint, bucket));
  describeFaults('the XML API of COS', COS_FACTS, async (): Promise<FaultPlace> => {
    const { bucket, ...facade } = await facades();
    const place = cosPlaceAt(endpoint, bucket, facade.port);
    return {
      ...place,
      responseMs: 10_000,
      replaceServers: () => facade.replace(),
      loseSessions: () => dropUploads(endpoint, bucket),
      expiring: place.options,
      expire: () => facade.replace(LATER_MS),
      async close() {},
    };
  });
});
