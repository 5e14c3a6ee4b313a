// @ts-check
// The limit of an object store: node:http and nothing else, sending parts at once, without looking at them.
import { Agent, request } from 'node:http';
import { AwsV4Signer } from 'aws4fetch';
import { runAsJob } from '../lib/job.js';
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

  /** @param {string} method @param {string} path @param {Buffer | string} [body] @returns {Promise<{ etag: string, text: string }>} */
  const send = async (method, path, body = '') => {
    const keys = { accessKeyId: 'AK', secretAccessKey: 'SK', service: 's3', region: 'us-east-1' };
    const signed = await new AwsV4Signer({ method, url: endpoint + path, ...keys }).sign();
    const headers = { ...Object.fromEntries(signed.headers), 'content-length': String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const req = request(signed.url, { method, headers, agent }, (res) => {
        let text = '';
        res.on('data', (chunk) => {
          text += chunk;
        });
        res.on('end', () => {
          if (res.statusCode === 200) resolve({ etag: res.headers.etag ?? '', text });
          else reject(new Error(`${method} ${path}: ${res.statusCode} ${text}`));
        });
      });
      req.on('error', reject);
      req.end(body);
    });
  };

  const path = `/${bucket}/raw-${process.pid}.bin`;
  const content = Buffer.alloc(partBytes, 1);
  const count = Math.ceil(sizeBytes / partBytes);
  return measure(async () => {
    const { text } = await send('POST', `${path}?uploads`);
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
