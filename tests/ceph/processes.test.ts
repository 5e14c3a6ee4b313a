import { createHash } from 'node:crypto';
import { describe } from 'vitest';
import { upload } from '../support/command.ts';
import { JSON_FACTS } from '../support/place.ts';
import { describeProcesses, type ProcessPlace } from '../support/processes.ts';
import { ceph } from './support/bucket.ts';
import { startFarm } from './support/farm.ts';
import { shared } from './support/shared.ts';

const MIB = 1024 * 1024;
const endpoint = ceph?.smallEndpoint ?? '';

describe.skipIf(!ceph)('on Ceph', () => {
  const farms = shared(endpoint, (bucket) =>
    startFarm(endpoint, { bucket, balancer: 'haproxy', more: ['--part-size', '1MiB'] }),
  );

  async function start(): Promise<ProcessPlace> {
    const farm = await farms();
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
      [48 * MIB, 'sha1'],
      [32 * MIB, 'none'],
    ],
    killedSlices: 48,
    slowly: ['--bandwidth', '16m'],
    restless: true,
  });
});
