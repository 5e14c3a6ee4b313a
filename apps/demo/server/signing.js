import { createSigner } from '@cos-slice/core';
import { readBody, refusal, sendJson } from './json.js';

const LIFETIME_SEC = 600;

/**
 * Signs for the page, which never sees the key: for one application, one bucket, and each time for the one path asked for. A
 * real application would first look who is asking, and whether the path is theirs. Requests to an object store are another thing, and
 * have an endpoint of their own behind the same address.
 *
 * @param {{
 *   account: { appId: string, secretId: string, secretKey: string },
 *   bucket: string,
 *   objects: import('./store.js').Store | undefined,
 *   onSigned: (signature: string) => void,
 * }} options
 * @returns {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse) => Promise<void>}
 */
export function createSigningEndpoint({ account, bucket, objects, onSigned }) {
  const signer = createSigner({ ...account, bucket, lifetimeSec: LIFETIME_SEC, bound: true });
  return async (req, res) => {
    const claim = await readBody(req);
    if (objects && claim?.requests) {
      const { status, body } = await objects.sign(claim);
      return sendJson(res, status, body);
    }
    if (claim?.appId !== account.appId || claim.bucket !== bucket) throw refusal(403, 'not the bucket of this demo');
    const { path, effect } = claim;
    if (typeof path !== 'string' || path === '') throw refusal(400, 'path must name a file');
    if (effect !== 'multi' && effect !== 'once') throw refusal(400, 'effect must be multi or once');
    // The time is the server's: a page could ask for a signature that is good for ever.
    const nowSec = Math.floor(Date.now() / 1000);
    const asked = { appId: account.appId, bucket, path, effect, nowSec };
    const signature = await signer.sign(asked, new AbortController().signal);
    onSigned(signature);
    sendJson(res, 200, { signature });
  };
}
