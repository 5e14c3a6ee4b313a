// @ts-check
import { open } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { createClient, createSigner } from '@cos-slice/node';
import { ACCOUNT, BUCKET, PREFIX } from '../lib/account.js';

const RANGE_BYTES = 8 * 1024 * 1024;
const CONNECTIONS = 8;

/** @typedef {import('./main.js').ClientJob & { object: string }} DownloadJob `file` is where to. */

/** @param {DownloadJob} job */
export async function prepare(job) {
  return job.variant === 'loop' ? () => loop(job) : () => download(job);
}

const { appId, secretId, secretKey } = ACCOUNT;

/** @param {DownloadJob} job */
async function download({ port, file, object }) {
  const client = createClient({
    endpoint: `http://127.0.0.1:${port}${PREFIX}`,
    appId,
    bucket: BUCKET,
    signer: createSigner({ appId, bucket: BUCKET, secretId, secretKey }),
  });
  await client.download(object, file).done;
}

/**
 * What somebody writes who wants a large file fast and nothing else: parts of 8 MiB, eight at a time, each written to its place as
 * it comes. Nothing is checked, synced or kept for later.
 *
 * @param {DownloadJob} job
 */
async function loop({ port, file, object, sizeBytes }) {
  const signer = createSigner({ appId, bucket: BUCKET, secretId, secretKey });
  const nowSec = Math.floor(Date.now() / 1000);
  const claim = /** @type {const} */ ({ appId, bucket: BUCKET, path: object, effect: 'multi', nowSec });
  const sign = encodeURIComponent(await signer.sign(claim, new AbortController().signal));
  const url = `http://127.0.0.1:${port}${PREFIX}/${appId}/${BUCKET}/${object}?sign=${sign}`;
  const handle = await open(file, 'w');
  const agent = new Agent({ keepAlive: true });
  let next = 0;
  const worker = async () => {
    for (let from = next; from < sizeBytes; from = next) {
      next = from + RANGE_BYTES;
      const range = `bytes=${from}-${Math.min(next, sizeBytes) - 1}`;
      const response = await new Promise((resolve, reject) => {
        get(url, { agent, headers: { Range: range } }, resolve).on('error', reject);
      });
      if (response.statusCode !== 206) throw new Error(`HTTP ${response.statusCode}`);
      let at = from;
      for await (const chunk of response) {
        await handle.write(chunk, 0, chunk.length, at);
        at += chunk.length;
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  agent.destroy();
  await handle.close();
}
