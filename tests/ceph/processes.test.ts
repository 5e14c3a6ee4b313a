import { createHash } from 'node:crypto';
import { afterAll, describe } from 'vitest';
import { upload } from '../support/command.ts';
import { JSON_FACTS } from '../support/place.ts';
import { describeProcesses, type ProcessPlace } from '../support/processes.ts';
import { ceph } from './support/bucket.ts';
import { type Farm, startFarm } from './support/farm.ts';
import { emptyBucket } from './support/s3.ts';

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
      port: farm.port,
      upload: (file, path, folder, more, port = farm.port) => upload(file, path, port, folder, more),
      hashOf: async (path) =>
        createHash('sha256')
          .update(await farm.read(path))
          .digest('hex'),
      answered: () => farm.answered('upload_slice_data'),
      crash: farm.disturb,
      unfinished: farm.unfinished,
      close: async () => {},
    };
  }

  describeProcesses('two servers behind haproxy', JSON_FACTS, start, {
    sliceBytes: MIB,
    large: [
      [128 * MIB, 'sha1'],
      [64 * MIB, 'none'],
    ],
    killedSlices: 96,
    restless: true,
  });
});
