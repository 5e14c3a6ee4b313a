import { emptyBucket, makeBucket } from './s3.ts';

/**
 * Prepares a bucket, and what stands in front of it, once for many tests, each of which finds the bucket empty. What could not
 * be prepared is tried anew by the next one.
 */
export function shared<T>(
  endpoint: string,
  begin: (bucket: string) => Promise<T>,
): () => Promise<T & { readonly bucket: string }> {
  let beginning: Promise<T & { readonly bucket: string }> | undefined;
  return async () => {
    beginning ??= makeBucket(endpoint).then(async (bucket) => ({ bucket, ...(await begin(bucket)) }));
    const prepared = await beginning.catch((error) => {
      beginning = undefined;
      throw error;
    });
    await emptyBucket(endpoint, prepared.bucket);
    return prepared;
  };
}
