// @ts-check
import { createClient, createSigner } from '@cos-slice/node';
import { ACCOUNT, BUCKET, PREFIX } from '../lib/account.js';

/** @param {import('./main.js').SmallJob} job */
export function clientFor({ port, atOnce }) {
  const { appId, secretId, secretKey } = ACCOUNT;
  return createClient({
    endpoint: `http://127.0.0.1:${port}${PREFIX}`,
    appId,
    bucket: BUCKET,
    signer: createSigner({ appId, bucket: BUCKET, secretId, secretKey, bound: false }),
    concurrency: atOnce,
  });
}

/** @param {import('./main.js').SmallJob} job */
export async function prepare(job) {
  const client = clientFor(job);
  return {
    one: (/** @type {string} */ file, /** @type {string} */ name) => client.upload(file, `${job.to}/${name}`).done,
  };
}
