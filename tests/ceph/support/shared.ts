import { afterAll } from 'vitest';
import { emptyBucket, makeBucket } from './s3.ts';

/** What stands in front of a bucket, and may be killed by a test. */
export interface Front {
  /** Sees to it that all of it runs, with the right time, whatever a test before has left. */
  ensure(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Prepares a bucket, and what stands in front of it, once for many tests, each of which finds the bucket empty and all running.
 * What cannot be brought back, as when somebody else has its port, is prepared anew. It is closed after the tests.
 */
export function shared<T extends Front>(
  endpoint: string,
  begin: (bucket: string) => Promise<T>,
): () => Promise<T & { readonly bucket: string }> {
  let beginning: Promise<T & { readonly bucket: string }> | undefined;

  async function prepare(): Promise<T & { readonly bucket: string }> {
    const isNew = beginning === undefined;
    try {
      beginning ??= makeBucket(endpoint).then(async (bucket) => ({ ...(await begin(bucket)), bucket }));
      const prepared = await beginning;
      await prepared.ensure();
      await emptyBucket(endpoint, prepared.bucket);
      return prepared;
    } catch (error) {
      await end();
      if (isNew) throw error;
      return prepare();
    }
  }

  async function end(): Promise<void> {
    const ending = beginning;
    beginning = undefined;
    const prepared = await ending?.catch(() => undefined);
    await prepared?.close();
  }

  afterAll(end);
  return prepare;
}
