import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { createSigningEndpoint, s3 } from '@cos-slice/core';
import { refusal } from './json.js';

/** Uploads go into this folder of the bucket, and the page may write nowhere else. */
const FOLDER = 'demo/';

/**
 * @typedef {object} StoreOptions
 * @property {string} endpoint
 * @property {string} bucket
 * @property {string | undefined} [region]
 * @property {keyof typeof import('@cos-slice/core').profiles | undefined} [server] what it is
 * @property {import('@cos-slice/core').Credentials} credentials
 */

/**
 * @typedef {object} Store
 * @property {{ endpoint: string, bucket: string, region: string | undefined, profile: string | undefined, folder: string }} config
 *   what the page has to know
 * @property {string} origin where requests go
 * @property {(body: unknown) => Promise<import('@cos-slice/core').SigningAnswer>} sign
 * @property {(path: string) => Promise<string>} urlOf where anybody can read an object for a while
 * @property {(path: string) => Promise<{ sha1: string, sizeBytes: number }>} digest of an object as it is read from the store
 */

/**
 * An object store that the page sends files to by itself. Its keys stay here: the page has its requests signed.
 *
 * @param {StoreOptions} options
 * @returns {Store}
 */
export function createStore({ endpoint, bucket, region, server, credentials }) {
  const wire = s3({ endpoint, bucket, ...(region && { region }), ...(server && { profile: server }) });
  const sign = createSigningEndpoint({ wire, credentials });

  /** @param {string} path */
  async function urlOf(path) {
    const asked = { method: 'GET', bucket: wire.bucketName, key: path, query: {}, headers: {} };
    const { body } = await sign({ requests: [asked] }, { path: FOLDER, to: ['download'] });
    const [answer] = 'signed' in body ? body.signed : [];
    if (answer && 'url' in answer && answer.url) return answer.url;
    throw refusal(400, 'not the path of a file');
  }

  return {
    config: { endpoint, bucket, region, profile: server, folder: FOLDER },
    origin: new URL(wire.bucketUrl).origin,
    sign: (body) => sign(body, { path: FOLDER }),
    urlOf,
    async digest(path) {
      const response = await fetch(await urlOf(path));
      if (!response.ok || !response.body) throw refusal(404, 'there is no such object');
      const hash = createHash('sha1');
      let sizeBytes = 0;
      await pipeline(
        response.body,
        async function* (chunks) {
          for await (const chunk of chunks) {
            sizeBytes += chunk.length;
            yield chunk;
          }
        },
        hash,
      );
      return { sha1: hash.digest('hex'), sizeBytes };
    },
  };
}
