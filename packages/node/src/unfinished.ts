import { createUnfinishedUploads as createUnfinished, type UnfinishedUploads } from '@cos-slice/core';
import type { ClientOptions } from './client.ts';
import { createFileResumeStore } from './resume-store.ts';
import { checked, paced, reach } from './upload-file.ts';

/**
 * Uploads of a bucket that were begun and have not ended: lists them and gives them up, with what is remembered of them here.
 *
 * @throws CosSliceError `invalid-options`, at once, with every issue
 * @example
 * const uploads = createUnfinishedUploads({ wire: s3({ endpoint, bucket: 'films' }), signer: { secretId, secretKey } });
 * for await (const upload of uploads.list('2024/')) await uploads.discard(upload);
 */
export function createUnfinishedUploads(options: ClientOptions): UnfinishedUploads {
  const { dispatcher: _dispatcher, proxy: _proxy, bandwidth, ...rest } = checked(options);
  const resume = rest.resume ?? createFileResumeStore();
  return createUnfinished({ ...rest, ...paced(bandwidth), resume }, reach(options));
}
