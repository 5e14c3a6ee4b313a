// @ts-check
// A Ceph of one machine, installed where that can be.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AwsV4Signer } from 'aws4fetch';

const SCRIPT = fileURLToPath(new URL('../../tests/ceph/ceph.sh', import.meta.url));
export const CEPH_BUCKET = 'bench-bucket';
export const CEPH_KEYS = { secretId: 'AK', secretKey: 'SK' };

const exec = promisify(execFile);

/** @returns {Promise<{ endpoint: string, port: number, stop(): Promise<void> }>} with an empty bucket */
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
    const keys = { accessKeyId: 'AK', secretAccessKey: 'SK', service: 's3', region: 'us-east-1' };
    const signed = await new AwsV4Signer({ method: 'PUT', url: `${endpoint}/${CEPH_BUCKET}`, ...keys }).sign();
    await fetch(signed.url, { method: 'PUT', headers: signed.headers });
    return { endpoint, port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}
