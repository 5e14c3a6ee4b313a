import { randomBytes } from 'node:crypto';
import type { S3StoreOptions } from '@cos-slice/server';
import { AwsV4Signer } from 'aws4fetch';
import { inject } from 'vitest';
import type { CephPlace } from '../setup.ts';

/** Undefined where there is no Ceph. */
export const ceph: CephPlace | undefined = inject('ceph');

export const CREDENTIALS = { accessKeyId: 'AK', secretAccessKey: 'SK' };

/** Sends one signed request past the server and its store: a second reading of S3. */
export async function s3(
  endpoint: string,
  method: string,
  path: string,
  { body, headers = {} }: { body?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: Headers; bytes: Buffer; text: string }> {
  const signer = new AwsV4Signer({
    method,
    url: endpoint + path,
    headers,
    ...CREDENTIALS,
    service: 's3',
    region: 'us-east-1',
  });
  const signed = await signer.sign();
  const response = await fetch(signed.url, { method, headers: signed.headers, ...(body !== undefined && { body }) });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, text: bytes.toString('utf8') };
}

/** A new bucket. */
export async function makeBucket(endpoint: string): Promise<string> {
  const bucket = `b${randomBytes(8).toString('hex')}`;
  const { status, text } = await s3(endpoint, 'PUT', `/${bucket}`);
  if (status !== 200) throw new Error(`no bucket: ${status} ${text}`);
  return bucket;
}

export function storeOptions(endpoint: string, bucket: string): S3StoreOptions {
  return { endpoint, bucket, credentials: CREDENTIALS };
}

export interface Contents {
  readonly keys: string[];
  /** The keys of uploads that are not finished. */
  readonly uploads: string[];
  readonly uploadIds: string[];
}

/** Every key in a bucket, and every upload that is not finished. */
export async function contentsOf(endpoint: string, bucket: string): Promise<Contents> {
  const [objects, uploads] = await Promise.all([
    s3(endpoint, 'GET', `/${bucket}?max-keys=1000`),
    s3(endpoint, 'GET', `/${bucket}?uploads`),
  ]);
  const valuesIn = (text: string, tag: string) =>
    [...text.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'g'))].map(([, value]) => value as string);
  return {
    keys: valuesIn(objects.text, 'Key'),
    uploads: valuesIn(uploads.text, 'Key'),
    uploadIds: valuesIn(uploads.text, 'UploadId'),
  };
}

const inUrl = (key: string): string => key.split('/').map(encodeURIComponent).join('/');

/** Deletes all objects of a bucket whose keys begin so, and drops all uploads. */
export async function emptyBucket(endpoint: string, bucket: string, prefix = ''): Promise<void> {
  const { keys, uploads, uploadIds } = await contentsOf(endpoint, bucket);
  for (const [index, id] of uploadIds.entries()) {
    await s3(endpoint, 'DELETE', `/${bucket}/${inUrl(uploads[index] ?? '')}?uploadId=${encodeURIComponent(id)}`);
  }
  for (const key of keys) if (key.startsWith(prefix)) await s3(endpoint, 'DELETE', `/${bucket}/${inUrl(key)}`);
}
