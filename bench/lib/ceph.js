// @ts-check
// A Ceph of one machine, installed where that can be.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { signedS3 } from './signed-s3.js';

const SCRIPT = fileURLToPath(new URL('../../tests/ceph/ceph.sh', import.meta.url));
export const CEPH_BUCKET = 'bench-bucket';
export const CEPH_KEYS = { secretId: 'AK', secretKey: 'SK' };

const exec = promisify(execFile);

/** @returns {Promise<{ endpoint: string, port: number, empty(): Promise<void>, stop(): Promise<void> }>} with an empty bucket */
export async function startCeph() {
  await exec(SCRIPT, ['install']);
  const dir = await mkdtemp(join(tmpdir(), 'cos-slice-bench-ceph-'));
  const stop = async () => {
    await exec(SCRIPT, ['stop', dir]);
    await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  };
  try {
    const [monitor, port] = [await freePort(), await freePort()];
    await exec(SCRIPT, ['start', dir, String(monitor)]);
    await exec(SCRIPT, ['gateway', dir, 'usual', String(port)]);
    const endpoint = `http://127.0.0.1:${port}`;
    const send = signedS3(new Agent(), endpoint);
    await send('PUT', `/${CEPH_BUCKET}`);
    return { endpoint, port, stop, empty: () => empty(send) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Its memory is the machine's: what has been measured goes before the next comes.
 *
 * @param {ReturnType<typeof signedS3>} send
 */
async function empty(send) {
  const { text: uploads } = await send('GET', `/${CEPH_BUCKET}?uploads=`);
  for (const [, key, id] of uploads.matchAll(/<Upload><Key>(.*?)<\/Key><UploadId>(.*?)<\/UploadId>/g)) {
    await send('DELETE', `/${CEPH_BUCKET}/${key}?uploadId=${id}`);
  }
  const { text: objects } = await send('GET', `/${CEPH_BUCKET}`);
  for (const [, key] of objects.matchAll(/<Key>(.*?)<\/Key>/g)) await send('DELETE', `/${CEPH_BUCKET}/${key}`);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}
