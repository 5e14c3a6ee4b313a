import { createHash } from 'node:crypto';
import { afterAll, describe } from 'vitest';
import { describeProcesses, type ProcessPlace } from '../support/processes.ts';
import { ceph, contentsOf, emptyBucket } from './support/bucket.ts';
import { type Farm, startFarm } from './support/farm.ts';

const MIB = 1024 * 1024;

describe.skipIf(!ceph)('on Ceph', () => {
  let starting: Promise<Farm> | undefined;
  afterAll(async () => (await starting)?.close());

  async function start(): Promise<ProcessPlace> {
    starting ??= startFarm(ceph?.smallEndpoint ?? '', { balancer: 'haproxy', more: ['--part-size', '1MiB'] });
    const farm = await starting;
    const { endpoint, s3Bucket } = farm;
    await emptyBucket(endpoint, s3Bucket);
    return {
      endpoint: String(farm.options.endpoint),
      hashOf: async (path) =>
        createHash('sha256')
          .update(await farm.read(path))
          .digest('hex'),
      answered: farm.answered,
      crash: farm.disturb,
      async unfinished() {
        const { keys, uploads } = await contentsOf(endpoint, s3Bucket);
        const own = keys.filter((key) => /\.cos-slice\/(sessions|checkpoints|slices|staging|locks)\//.test(key));
        return [...own, ...uploads];
      },
      close: async () => {},
    };
  }

  describeProcesses('two servers behind haproxy', start, {
    large: [
      [128 * MIB, 'sha1'],
      [64 * MIB, 'none'],
    ],
    killedBytes: 96 * MIB,
    restless: true,
  });
});
