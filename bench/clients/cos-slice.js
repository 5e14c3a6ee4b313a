// @ts-check
import { createFileResumeStore, createSigner, uploadFile } from '@cos-slice/node';
import { ACCOUNT, BUCKET, PREFIX } from '../lib/account.js';

/** @param {import('./main.js').ClientJob} job */
export async function prepare({
  port,
  file,
  sliceSizeBytes,
  concurrency,
  variant,
  stateDir,
  object = `bench/${process.pid}.bin`,
}) {
  const { appId, secretId, secretKey } = ACCOUNT;
  const integrity = /** @type {'none' | 'md5' | 'sha1'} */ (variant ?? 'none');
  return async () => {
    const upload = uploadFile(file, {
      endpoint: `http://127.0.0.1:${port}${PREFIX}`,
      appId,
      bucket: BUCKET,
      path: object,
      signer: createSigner({ appId, bucket: BUCKET, secretId, secretKey }),
      sliceSize: sliceSizeBytes,
      concurrency,
      integrity,
      resume: createFileResumeStore({ dir: stateDir }),
    });
    await upload.done;
  };
}
