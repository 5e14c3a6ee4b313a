import { createHash } from 'node:crypto';
import { describe } from 'vitest';
import { command } from '../support/command.ts';
import { describeProcesses, type ProcessPlace, type ProcessSizes } from '../support/processes.ts';
import { ceph } from './support/bucket.ts';
import { COS_CREDENTIALS } from './support/cos-facade.ts';
import { startFacadeProcess } from './support/facade-process.ts';
import { startGateway } from './support/gateway.ts';
import { CREDENTIALS, contentsOf, partsIn, s3 } from './support/s3.ts';
import { type Front, shared } from './support/shared.ts';
import { COS_FACTS, S3_FACTS } from './support/wires.ts';

const MIB = 1024 * 1024;
const endpoint = ceph?.endpoint ?? '';

/** What is uploaded to, as the command line is told of it. */
interface Door extends Front {
  /** `s3://bucket` */
  readonly address: string;
  env(port: number): Record<string, string>;
  readonly port: number;
  replace(): Promise<void>;
}

function placesBehind(sliceBytes: number, begin: (bucket: string) => Promise<Door>): () => Promise<ProcessPlace> {
  const doors = shared(endpoint, begin);
  return async () => {
    const { bucket, address, env, ...server } = await doors();
    return {
      port: server.port,
      upload(file, path, folder, more = [], port = server.port) {
        const flags = ['--json', '--slice-size', String(sliceBytes), ...more];
        return command(['upload', file, `${address}/${path}`, ...flags], folder, env(port));
      },
      async hashOf(path) {
        const { bytes } = await s3(endpoint, 'GET', `/${bucket}/${path.split('/').map(encodeURIComponent).join('/')}`);
        return createHash('sha256').update(bytes).digest('hex');
      },
      answered: () => partsIn(endpoint, bucket),
      crash: () => server.replace(),
      unfinished: async () => (await contentsOf(endpoint, bucket)).uploads,
      async close() {},
    };
  };
}

const sizesOf = (sliceBytes: number): ProcessSizes => ({
  sliceBytes,
  large: [[8 * sliceBytes, 'none']],
  killedSlices: 12,
  slowly: ['--bandwidth', String(5 * sliceBytes)],
});

describe.skipIf(!ceph)('on Ceph', () => {
  const s3Bytes = 5 * MIB;
  const startS3 = placesBehind(s3Bytes, async (bucket) => ({
    address: `s3://${bucket}`,
    env: (port) => ({
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_DEFAULT_REGION: 'us-east-1',
    }),
    ...(await startGateway(ceph as NonNullable<typeof ceph>, 'processes')),
  }));
  describeProcesses('S3', S3_FACTS, startS3, sizesOf(s3Bytes));

  const startCos = placesBehind(MIB, async (bucket) => ({
    address: 'cos://films-10055004',
    env: (port) => ({
      COS_ENDPOINT: `http://127.0.0.1:${port}`,
      COS_REGION: 'sh',
      COS_SECRET_ID: COS_CREDENTIALS.secretId,
      COS_SECRET_KEY: COS_CREDENTIALS.secretKey,
    }),
    ...(await startFacadeProcess(ceph?.smallEndpoint ?? '', bucket)),
  }));
  describeProcesses('the XML API of COS', COS_FACTS, startCos, sizesOf(MIB));
});
