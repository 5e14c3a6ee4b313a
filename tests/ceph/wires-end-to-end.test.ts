import { describe } from 'vitest';
import { describeEndToEnd } from '../support/end-to-end.ts';
import { ceph } from './support/bucket.ts';
import { COS_FACTS, S3_FACTS, startCosPlace, startS3Place } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';

describe.skipIf(!ceph)('on Ceph', () => {
  describeEndToEnd('S3', S3_FACTS, () => startS3Place(endpoint));
  describeEndToEnd('the XML API of COS', COS_FACTS, () => startCosPlace(endpoint));
  describeEndToEnd('the XML API of COS, strict', COS_FACTS, () => startCosPlace(endpoint, true), { rounds: 2 });
});
