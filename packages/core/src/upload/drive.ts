import type { UploadOptions } from '../options.ts';
import type { Platform, Source } from '../ports.ts';
import type { Upload } from './upload.ts';

/**
 * Starts an upload.
 *
 * @param openSource opens what is uploaded; its failure is the upload's
 * @throws CosSliceError `invalid-options`, at once, with every issue
 */
export function createUpload<C>(
  _openSource: (signal: AbortSignal) => Promise<Source<C>>,
  _options: UploadOptions,
  _platform: Platform<C>,
): Upload {
  throw new Error('unfinished');
}
