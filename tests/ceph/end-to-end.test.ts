import { describe } from 'vitest';
import { describeEndToEnd } from '../support/end-to-end.ts';
import { JSON_FACTS } from '../support/place.ts';
import { ceph } from './support/bucket.ts';
import { startFarm } from './support/farm.ts';

describe.skipIf(!ceph)('on Ceph', () => {
  const start = () => startFarm(ceph?.endpoint ?? '', { more: ['--public-read'] });
  describeEndToEnd('two servers behind nginx', JSON_FACTS, start, { rounds: 3 });
});
