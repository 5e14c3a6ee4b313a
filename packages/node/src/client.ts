import { createObjectClient, type ObjectClient, type Upload } from '@cos-slice/core';
import { CONCURRENCY } from './options.ts';
import type { UploadSource } from './sources.ts';
import { checked, reach, type UploadFileOptions, uploadFile } from './upload-file.ts';

/** What an upload wants, without what is one file's. What uploads go by, such as `integrity`, are their defaults. */
export type ClientOptions = Omit<UploadFileOptions, OfOneFile>;

type OfOneFile = 'path' | 'attributes' | 'signal' | 'onProgress' | 'mayGrow';

/** What is one upload's, and what it does differently from the client's other ones. */
export type UploadToOptions = Pick<UploadFileOptions, Exclude<OfOneFile, 'path'>> &
  Partial<
    Pick<UploadFileOptions, 'integrity' | 'overwrite' | 'onConflict' | 'resume' | 'sliceSize' | 'singleRequestMax'>
  >;

export interface Client extends ObjectClient {
  /** Uploads as `uploadFile` does; all uploads of a client share its places for requests. */
  upload(source: UploadSource, path: string, options?: UploadToOptions): Upload;
}

/**
 * Works with what is in a bucket. Its requests, those of uploads included, share connections, signatures and a limiter.
 *
 * @throws CosSliceError `invalid-options`, at once, with every issue
 * @example
 * const client = createClient({
 *   endpoint: cosEndpoint('sh'), appId: '10055004', bucket: 'films',
 *   signer: createSigner({ appId: '10055004', bucket: 'films', secretId, secretKey, bound: false }),
 * });
 * for await (const { path, kind } of client.list('2024/')) console.log(kind, path);
 */
export function createClient(options: ClientOptions): Client {
  const { dispatcher, proxy, ...rest } = checked(options);
  const concurrency = rest.concurrency ?? CONCURRENCY;
  const platform = reach({ endpoint: rest.endpoint, dispatcher, proxy });
  const { config, limiter, ...objects } = createObjectClient({ ...rest, concurrency }, platform);
  return {
    ...objects,
    upload: (source, path, more = {}) => uploadFile(source, { ...options, ...more, path, concurrency: limiter }),
  };
}
