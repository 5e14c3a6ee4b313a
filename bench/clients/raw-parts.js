// @ts-check
// The limit of an object store: node:http and nothing else, sending parts at once, without looking at them.
import { Agent } from 'node:http';
import { runAsJob } from '../lib/job.js';
import { signedS3 } from '../lib/signed-s3.js';
import { measure } from '../lib/usage.js';

/**
 * @typedef {object} PartsJob
 * @property {string} endpoint
 * @property {string} bucket
 * @property {number} sizeBytes
 * @property {number} partBytes
 * @property {number} connections
 */

await runAsJob(async (/** @type {PartsJob} */ { endpoint, bucket, sizeBytes, partBytes, connections }) => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });

  const send = signedS3(agent, endpoint);
  const path = `/${bucket}/raw-${process.pid}.bin`;
  const content = Buffer.alloc(partBytes, 1);
  const count = Math.ceil(sizeBytes / partBytes);
  return measure(async () => {
    const { text } = await send('POST', `${path}?uploads=`);
    const id = /<UploadId>(.*?)</.exec(text)?.[1];
    /** @type {string[]} */
    const parts = [];
    let next = 1;
    const work = async () => {
      for (let number = next++; number <= count; number = next++) {
        const { etag } = await send('PUT', `${path}?partNumber=${number}&uploadId=${id}`, content);
        parts[number - 1] = `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`;
      }
    };
    await Promise.all(Array.from({ length: connections }, work));
    const list = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
    await send('POST', `${path}?uploadId=${id}`, list);
    agent.destroy();
  });
});
