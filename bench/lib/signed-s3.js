// @ts-check
// Signed requests to an object store from node:http, and nothing else.
import { request } from 'node:http';
import { AwsV4Signer } from 'aws4fetch';

/**
 * @param {import('node:http').Agent} agent
 * @param {string} endpoint
 */
export function signedS3(agent, endpoint) {
  /** @type {Map<string, ArrayBuffer>} */
  const cache = new Map();
  const keys = { accessKeyId: 'AK', secretAccessKey: 'SK', service: 's3', region: 'us-east-1', cache };

  /**
   * @param {string} method
   * @param {string} path
   * @param {Buffer | string | import('node:stream').Readable} [body]
   * @param {number} [bodyBytes] of a stream
   * @returns {Promise<{ etag: string, text: string }>}
   */
  return async (method, path, body = '', bodyBytes) => {
    const signed = await new AwsV4Signer({ method, url: endpoint + path, ...keys }).sign();
    const isWhole = typeof body === 'string' || Buffer.isBuffer(body);
    const length = isWhole ? Buffer.byteLength(body) : bodyBytes;
    const headers = { ...Object.fromEntries(signed.headers), 'content-length': String(length) };
    return new Promise((resolve, reject) => {
      const req = request(signed.url, { method, headers, agent }, (res) => {
        let text = '';
        res.on('data', (chunk) => {
          text += chunk;
        });
        res.on('end', () => {
          if (res.statusCode === 200 || res.statusCode === 204) resolve({ etag: res.headers.etag ?? '', text });
          else reject(new Error(`${method} ${path}: ${res.statusCode} ${text}`));
        });
      });
      req.on('error', reject);
      if (isWhole) req.end(body);
      else body.pipe(req);
    });
  };
}
