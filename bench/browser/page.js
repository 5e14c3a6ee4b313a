// @ts-check
// What the measured page does. Bundled with cos-slice; the vendor's client comes as the script it is.
import { remoteSigner, uploadBlob } from '@cos-slice/browser';

const BLOCK_BYTES = 1024 * 1024;

/**
 * @typedef {object} Order
 * @property {'cos-slice' | 'cos-js-sdk-v4'} client
 * @property {'none' | 'md5' | 'sha1'} [integrity]
 * @property {string} origin Of the slice server.
 * @property {string} name
 * @property {number} sizeBytes
 */

/** @param {Order} order */
async function upload(order) {
  const file = makeFile(order);
  const startedAtMs = performance.now();
  await (order.client === 'cos-slice' ? uploadOurs(order, file) : uploadTheirs(order, file));
  return performance.now() - startedAtMs;
}

/**
 * Content that no run shares with another, or the server would have it at once.
 *
 * @param {Order} order
 */
function makeFile({ sizeBytes, name }) {
  const blocks = [];
  for (let offset = 0; offset < sizeBytes; offset += BLOCK_BYTES) {
    const block = new Uint8Array(Math.min(BLOCK_BYTES, sizeBytes - offset));
    for (let from = 0; from < block.length; from += 65_536) crypto.getRandomValues(block.subarray(from, from + 65_536));
    blocks.push(block);
  }
  return new File(blocks, name);
}

/** @param {Order} order @param {File} file */
async function uploadOurs({ origin, integrity = 'none', name }, file) {
  await uploadBlob(file, {
    endpoint: `${origin}/files/v2`,
    appId: '10055004',
    bucket: 'bench',
    path: name,
    integrity,
    signer: remoteSigner('/sign'),
  }).done;
}

/** @param {Order} order @param {File} file */
async function uploadTheirs({ origin, name }, file) {
  const CosCloud = /** @type {any} */ (globalThis).CosCloud;
  CosCloud.prototype.cosapi_cgi_url = `${origin}/files/v2/`;
  const cos = new CosCloud({
    appid: '10055004',
    bucket: 'bench',
    region: 'sh',
    async getAppSign(/** @type {(signature: string) => void} */ callback) {
      const claim = {
        appId: '10055004',
        bucket: 'bench',
        path: name,
        effect: 'multi',
        nowSec: Math.floor(Date.now() / 1000),
      };
      const response = await fetch('/sign', { method: 'POST', body: JSON.stringify(claim) });
      const { signature } = /** @type {{ signature: string }} */ (await response.json());
      callback(encodeURIComponent(signature));
    },
  });
  await new Promise((resolve, reject) => {
    const fail = (/** @type {any} */ error) => reject(new Error(JSON.stringify(error)));
    cos.sliceUploadFile(resolve, fail, () => {}, 'bench', name, file, 1, 1024 * 1024);
  });
}

Object.assign(globalThis, { upload });
