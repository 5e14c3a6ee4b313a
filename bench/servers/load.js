// @ts-check
// Slices thrown at a server over bare sockets, framed beforehand: what limits is the server.
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { createBytesSource, createHasher, createSigner } from '@cos-slice/node';
import { ACCOUNT, BUCKET, PREFIX } from '../lib/account.js';
import { frame } from '../lib/frame.js';
import { runAsJob } from '../lib/job.js';
import { measure } from '../lib/usage.js';

/**
 * @typedef {object} LoadJob
 * @property {number} port
 * @property {number[]} [ports] of several servers, which take turns; the first is `port`
 * @property {string} name of the file
 * @property {'plain' | 'none' | 'md5' | 'sha1'} kind `plain`: the same as `none`, to a server that looks at nothing
 * @property {number} sizeBytes
 * @property {number} sliceSizeBytes
 * @property {number} connections
 */

await runAsJob(async (/** @type {LoadJob} */ job) => {
  const { port, ports = [port], name, kind, sizeBytes, sliceSizeBytes, connections } = job;
  const path = `${PREFIX}/${ACCOUNT.appId}/${BUCKET}/${name}`;
  const authorization = await sign(name);
  const content = randomBytes(sizeBytes);
  const hash = kind === 'sha1' ? await hashOf(content, sliceSizeBytes) : undefined;
  const sha = hash ? { sha: hash.sha } : {};

  /** @param {Record<string, string>} fields @param {Buffer} [body] @param {number} [offset] */
  const toRequest = (fields, body, offset = 0) => {
    const { head, tail, contentType, contentLength } = frame(fields, body?.length);
    const start =
      `POST ${path}?at=${offset} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\n` +
      `Content-Type: ${contentType}\r\nContent-Length: ${contentLength}\r\n\r\n`;
    return [Buffer.concat([Buffer.from(start), head]), ...(body ? [body] : []), tail];
  };
  /** @param {string} session */
  const slicesOf = (session) => {
    const requests = [];
    for (let offset = 0; offset < sizeBytes; offset += sliceSizeBytes) {
      const body = content.subarray(offset, offset + sliceSizeBytes);
      const md5 = kind === 'md5' ? { datamd5: createHash('md5').update(body).digest('hex') } : {};
      requests.push(
        toRequest({ op: 'upload_slice_data', session, offset: String(offset), ...sha, ...md5 }, body, offset),
      );
    }
    return requests;
  };

  const filesize = String(sizeBytes);
  const control = await openConnection(port);
  const parts = hash ? { uploadparts: JSON.stringify(hash.parts) } : {};
  const init = { op: 'upload_slice_init', filesize, slice_size: String(sliceSizeBytes), ...sha, ...parts };
  const { session } = (await control.exchange(toRequest(init))).data;
  const requests = slicesOf(session);
  const pool = await Promise.all(
    Array.from({ length: connections }, (_, index) => openConnection(ports[index % ports.length] ?? port)),
  );
  const measured = await measure(async () => {
    await Promise.all(
      pool.map(async ({ exchange }) => {
        for (let request = requests.shift(); request; request = requests.shift()) await exchange(request);
      }),
    );
    if (kind !== 'plain') {
      await control.exchange(toRequest({ op: 'upload_slice_finish', session, filesize, ...sha }));
    }
  });
  return measured;
});

/** @param {string} path */
function sign(path) {
  const { appId, secretId, secretKey } = ACCOUNT;
  const claim = { appId, bucket: BUCKET, path, effect: /** @type {const} */ ('multi') };
  const signer = createSigner({ appId, bucket: BUCKET, secretId, secretKey });
  return signer.sign({ ...claim, nowSec: Math.floor(Date.now() / 1000) }, new AbortController().signal);
}

/** @param {Buffer} content @param {number} sliceSizeBytes */
function hashOf(content, sliceSizeBytes) {
  return createHasher().uploadParts(createBytesSource(content), sliceSizeBytes, {
    signal: new AbortController().signal,
    onProgress() {},
    onCheckpoint() {},
  });
}

/** @param {number} port */
async function openConnection(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let text = '';
  /** @type {{ resolve(reply: any): void, reject(error: Error): void } | undefined} */
  let waiting;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = text.slice(0, end);
    const body = text.slice(end + 4);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? -1);
    if (length >= 0 ? body.length < length : !body.endsWith('0\r\n\r\n')) return;
    text = '';
    const reply = JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1));
    if (reply.code === 0) waiting?.resolve(reply);
    else waiting?.reject(new Error(body));
  });
  socket.on('close', () => waiting?.reject(new Error('the server closed the connection')));
  return {
    /** @param {Buffer[]} pieces @returns {Promise<any>} */
    exchange: (pieces) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.cork();
        for (const piece of pieces) socket.write(piece);
        socket.uncork();
      }),
  };
}
