import type { UploadOptions } from '../options/options.ts';
import type { Platform, Source } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import { detours } from './detours.ts';
import { createRecorder, type Recorded } from './recorder.ts';
import { startUpload } from './start-upload.ts';
import type { Upload } from './upload.ts';
import { whenTaken } from './when-taken.ts';

/**
 * Starts an upload.
 *
 * @param openSource opens what is uploaded, when its turn has come; its failure is the upload's, but one whose remedy is
 *   `backoff` is tried again. It calls `moved` while it is right that it takes long.
 * @param sizeBytes of the source where it is known before, to be shown until then
 * @throws CosSliceError `invalid-options`, at once, with every issue
 */
export function createUpload<C>(
  openSource: (signal: AbortSignal, moved: () => void) => Promise<Source<C>>,
  options: UploadOptions,
  platform: Platform<C>,
  sizeBytes?: number,
): Upload {
  const { resume } = options ?? {};
  const late = {
    wire: jsonApi,
    detours: async () => ({ detours }),
    whenTaken: () => whenTaken,
    recorder: resume ? async (recorded: Recorded) => createRecorder(resume, recorded) : undefined,
  };
  return startUpload(openSource, options, platform, late, sizeBytes);
}
