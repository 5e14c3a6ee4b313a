// @ts-check
// The limit of a server in front of an object store: node:http on both sides and a pipe between them. What comes becomes a part
// as it is, form and all; nobody looks at a byte of it.
import { Agent, createServer } from 'node:http';
import { signedS3 } from '../lib/signed-s3.js';
import { listen } from './listen.js';

/** Whatever is shorter is no slice. */
const LEAST_BYTES = 1024 * 1024;

/** @param {import('@cos-slice/server').S3StoreOptions} place @returns {Promise<number>} */
export async function startPipe({ endpoint = '', bucket, prefix }) {
  const send = signedS3(new Agent({ keepAlive: true, scheduling: 'lifo' }), endpoint);
  const path = `/${bucket}/${prefix}.bin`;
  const { text } = await send('POST', `${path}?uploads=`);
  const id = /<UploadId>(.*?)</.exec(text)?.[1];
  let number = 0;
  return listen(
    createServer(async (req, res) => {
      const bytes = Number(req.headers['content-length']);
      try {
        if (bytes < LEAST_BYTES) req.resume();
        else await send('PUT', `${path}?partNumber=${++number}&uploadId=${id}`, req, bytes);
        res.end('{"code":0,"message":"SUCCESS","data":{"session":"pipe"}}');
      } catch (error) {
        res.end(JSON.stringify({ code: -1, message: String(error) }));
      }
    }),
  );
}
