// @ts-check
import { createReadStream } from 'node:fs';
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

/** @param {import('./main.js').SmallJob} job */
export async function prepare({ port, to }) {
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'bench-id', secretAccessKey: 'bench-key' },
  });
  return {
    /** @param {string} file @param {string} name */
    one: (file, name) =>
      new Upload({ client, params: { Bucket: 'bench', Key: `${to}/${name}`, Body: createReadStream(file) } }).done(),
  };
}
