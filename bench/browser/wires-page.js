// @ts-check
// What the measured page does on the XML wires: parts of 8 MiB, as many at once as each client sends.
import { cosXml, s3, uploadBlob } from '@cos-slice/browser';
import AwsS3 from '@uppy/aws-s3';
import Uppy from '@uppy/core';
import COS from 'cos-js-sdk-v5';

const MIB = 1024 * 1024;
const PART_BYTES = 8 * MIB;
const KEYS = { secretId: 'bench-id', secretKey: 'bench-key' };

/**
 * @typedef {object} Order
 * @property {'s3' | 'cos' | 'uppy' | 'cos-js-sdk-v5'} client
 * @property {string} endpoint
 * @property {number} sizeBytes
 */

/** @param {Order} order */
async function upload(order) {
  const file = makeFile(order.sizeBytes);
  const startedAtMs = performance.now();
  await CLIENTS[order.client](order, file);
  return performance.now() - startedAtMs;
}

/** @type {Record<Order['client'], (order: Order, file: File) => Promise<unknown>>} */
const CLIENTS = {
  s3: ({ endpoint }, file) => ours(s3({ endpoint, bucket: 'bench-bucket' }), file),
  cos: ({ endpoint }, file) => ours(cosXml({ region: 'ap-x', bucket: 'bench', appId: '1250000000', endpoint }), file),
  async uppy({ endpoint }, file) {
    const uppy = new Uppy();
    uppy.use(AwsS3, {
      s3Endpoint: `${endpoint}/bench-bucket`,
      region: 'us-east-1',
      shouldUseMultipart: true,
      getChunkSize: () => PART_BYTES,
      getCredentials: async () => ({
        credentials: {
          accessKeyId: KEYS.secretId,
          secretAccessKey: KEYS.secretKey,
          sessionToken: 'bench-token',
          expiration: new Date(Date.now() + 3_600_000).toISOString(),
        },
        bucket: 'bench-bucket',
        region: 'us-east-1',
      }),
    });
    uppy.addFile({ name: file.name, type: 'application/octet-stream', data: file });
    const result = await uppy.upload();
    if (result?.successful?.length !== 1) throw new Error(`Uppy: ${result?.failed?.[0]?.error}`);
  },
  async 'cos-js-sdk-v5'({ endpoint }, file) {
    const cos = new COS({
      SecretId: KEYS.secretId,
      SecretKey: KEYS.secretKey,
      Protocol: 'http:',
      Domain: endpoint.replace('http://', ''),
    });
    await cos.sliceUploadFile({
      Bucket: 'bench-1250000000',
      Region: 'ap-x',
      Key: file.name,
      Body: file,
      ChunkSize: PART_BYTES,
      AsyncLimit: 4,
    });
  },
};

/** @param {ReturnType<typeof s3>} wire @param {File} file */
function ours(wire, file) {
  const sizes = { sliceSize: PART_BYTES, singleRequestMax: PART_BYTES };
  return uploadBlob(file, { wire, path: file.name, signer: KEYS, ...sizes, overwrite: true, resume: false }).done;
}

/** @param {number} sizeBytes */
function makeFile(sizeBytes) {
  const blocks = [];
  for (let offset = 0; offset < sizeBytes; offset += MIB) {
    const block = new Uint8Array(Math.min(MIB, sizeBytes - offset));
    for (let from = 0; from < block.length; from += 65_536) crypto.getRandomValues(block.subarray(from, from + 65_536));
    blocks.push(block);
  }
  return new File(blocks, 'film.bin');
}

Object.assign(globalThis, { upload });
