// @ts-check
import { createReadStream } from 'node:fs';
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

/** It takes no smaller parts. */
const MIN_PART_BYTES = 5 * 1024 * 1024;

/** @param {import('./main.js').ClientJob} job `variant` `plain`: without the checksums that it makes by default */
export async function prepare({ port, file, sliceSizeBytes, concurrency, variant, keys }) {
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: {
      accessKeyId: keys?.secretId ?? 'bench-id',
      secretAccessKey: keys?.secretKey ?? 'bench-key',
    },
    ...(variant === 'plain' ? { requestChecksumCalculation: 'WHEN_REQUIRED' } : {}),
  });
  return () =>
    new Upload({
      client,
      params: { Bucket: 'bench-bucket', Key: `${process.pid}.bin`, Body: createReadStream(file) },
      queueSize: typeof concurrency === 'number' ? concurrency : concurrency.max,
      partSize: Math.max(sliceSizeBytes, MIN_PART_BYTES),
    }).done();
}
