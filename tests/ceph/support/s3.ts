import { randomBytes } from 'node:crypto';
import { AwsV4Signer } from 'aws4fetch';

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

export interface Contents {
  readonly keys: string[];
  /** The keys of uploads that are not finished. */
  readonly uploads: string[];
  readonly uploadIds: string[];
}

/** The first 1,000 keys in a bucket that begin so, and as many uploads that are not finished. */
export async function contentsOf(endpoint: string, bucket: string, prefix = ''): Promise<Contents> {
  const [objects, uploads] = await Promise.all([
    s3(endpoint, 'GET', `/${bucket}?max-keys=1000&prefix=${encodeURIComponent(prefix)}`),
    s3(endpoint, 'GET', `/${bucket}?uploads`),
  ]);
  const valuesIn = (text: string, tag: string) =>
    [...text.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))].map(([, value]) => plain(value as string));
  return {
    keys: valuesIn(objects.text, 'Key'),
    uploads: valuesIn(uploads.text, 'Key'),
    uploadIds: valuesIn(uploads.text, 'UploadId'),
  };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function plain(text: string): string {
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) =>
    code ? String.fromCodePoint(Number(code)) : (ENTITIES[name] ?? whole),
  );
}

const inUrl = (key: string): string => key.split('/').map(encodeURIComponent).join('/');

/** @returns whether there was something */
async function remove(endpoint: string, path: string): Promise<boolean> {
  const { status, text } = await s3(endpoint, 'DELETE', path);
  if (status !== 204 && status !== 404) throw new Error(`${path} stays: ${status} ${text}`);
  return status === 204;
}

/** Deletes all objects of a bucket whose keys begin so, and drops all uploads. */
export async function emptyBucket(endpoint: string, bucket: string, prefix = ''): Promise<void> {
  await dropUploads(endpoint, bucket);
  for (;;) {
    const { keys } = await contentsOf(endpoint, bucket, prefix);
    if (keys.length === 0) return;
    for (const key of keys) await remove(endpoint, `/${bucket}/${inUrl(key)}`);
  }
}

export async function dropUploads(endpoint: string, bucket: string): Promise<void> {
  // One that is listed although it has gone may be listed for ever.
  for (let more = true; more; ) {
    const { uploads, uploadIds } = await contentsOf(endpoint, bucket);
    more = false;
    for (const [index, id] of uploadIds.entries()) {
      const path = `/${bucket}/${inUrl(uploads[index] ?? '')}?uploadId=${encodeURIComponent(id)}`;
      more = (await remove(endpoint, path)) || more;
    }
  }
}

/** How many parts the uploads of a bucket have that are not finished, of the first 1,000 of each. */
export async function partsIn(endpoint: string, bucket: string): Promise<number> {
  const { uploads, uploadIds } = await contentsOf(endpoint, bucket);
  const lists = uploadIds.map((id, index) =>
    s3(endpoint, 'GET', `/${bucket}/${inUrl(uploads[index] ?? '')}?uploadId=${encodeURIComponent(id)}`),
  );
  const texts = (await Promise.all(lists)).map(({ text }) => text);
  return texts.reduce((sum, text) => sum + (text.match(/<PartNumber>/g)?.length ?? 0), 0);
}
