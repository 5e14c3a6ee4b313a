import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { UploadPlace } from '../../support/place.ts';
import { ACCOUNT, placeAt } from '../../support/store.ts';
import { listens } from './gateway.ts';
import { freePorts } from './ports.ts';
import { CREDENTIALS, contentsOf, makeBucket, s3 } from './s3.ts';
import type { Front } from './shared.ts';

const CLI = fileURLToPath(new URL('../../../packages/cli/dist/index.js', import.meta.url));
const DEPLOY = new URL('../../../deploy/', import.meta.url);

/** Servers that are processes of their own, on one bucket, and the balancer in front of them. */
export interface Farm extends UploadPlace, Front {
  readonly endpoint: string;
  /** The S3 bucket, and what stands in front of a path in its keys. */
  readonly s3Bucket: string;
  readonly keyPrefix: string;
  /** Each server's own address. */
  readonly ports: readonly number[];
  /** @param signal default SIGKILL */
  kill(index: number, signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again where it was. @param aheadMs by how much its clock is ahead */
  restart(index: number, aheadMs?: number): Promise<void>;
  /** Kills one server with SIGKILL, another than the last time, and starts it again a moment later. */
  disturb(): Promise<void>;
  /** How many requests of that operation the servers have answered with success. */
  answered(op: string): number;
  /** The resident memory of a server at its highest, in bytes. */
  peakMemory(index: number): Promise<number>;
}

interface FarmOptions {
  readonly balancer?: 'nginx' | 'haproxy';
  readonly count?: number;
  readonly more?: readonly string[];
  /** The S3 bucket. Default: a new one */
  readonly bucket?: string;
}

export async function startFarm(
  endpoint: string,
  { balancer = 'nginx', count = 2, more = [], bucket }: FarmOptions = {},
): Promise<Farm> {
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-farm-'));
  const s3Bucket = bucket ?? (await makeBucket(endpoint));
  const ports = await freePorts(count + 1);
  const port = ports.pop() as number;
  const servers: ChildProcess[] = [];
  const isRight: boolean[] = [];
  let log = '';
  let disturbed = 0;

  async function restart(index: number, aheadMs = 0): Promise<void> {
    const clock = `data:text/javascript,const now = Date.now; Date.now = () => now() + ${aheadMs};`;
    const program = aheadMs === 0 ? [CLI] : ['--import', clock, CLI];
    const args = ['serve', '--store', `s3://${s3Bucket}/files`, '--s3-endpoint', endpoint];
    const account = ['--bucket', 'demobucket', '--app-id', ACCOUNT.appId, '--secret-id', ACCOUNT.secretId];
    const own = ['--secret-key', ACCOUNT.secretKey, '--port', String(ports[index]), '--trust-proxy', ...more];
    const server = spawn(process.execPath, [...program, ...args, ...account, ...own], {
      env: {
        ...process.env,
        AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    servers[index] = server;
    isRight[index] = aheadMs === 0;
    await new Promise<void>((resolve, reject) => {
      server.stdout.on('data', (text) => {
        log += text;
        if (/^ready /m.test(String(text))) resolve();
      });
      server.stderr.on('data', (text) => {
        log += text;
      });
      server.once('exit', () => reject(new Error(`a server ended before it was ready: ${log.slice(-1000)}`)));
    });
  }

  async function kill(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const server = servers[index];
    if (!server || hasEnded(server)) return;
    const ended = once(server, 'exit');
    server.kill(signal);
    await ended;
  }

  async function end(): Promise<void> {
    // They must end by themselves when they are told to.
    await Promise.all(servers.map((_, index) => kill(index, 'SIGTERM')));
    await rm(folder, { recursive: true, force: true });
  }

  const balance = (): Promise<ChildProcess> => (balancer === 'nginx' ? startNginx : startHaproxy)(folder, port, ports);

  async function begin(): Promise<ChildProcess> {
    await Promise.all(ports.map((_, index) => restart(index)));
    return balance();
  }
  let front = await begin().catch(async (error) => {
    await end();
    throw error;
  });

  async function ensure(): Promise<void> {
    const isWrong = (server: ChildProcess, index: number): boolean => hasEnded(server) || !isRight[index];
    if (!hasEnded(front) && !servers.some(isWrong)) return;
    const replace = async (server: ChildProcess, index: number): Promise<void> => {
      if (!isWrong(server, index)) return;
      await kill(index);
      await restart(index);
    };
    await Promise.all(servers.map(replace));
    // It takes a while to see who is back; a new one begins with all of them.
    await killFront();
    front = await balance();
  }

  async function killFront(): Promise<void> {
    if (hasEnded(front)) return;
    const ended = once(front, 'exit');
    front.kill('SIGKILL');
    await ended;
  }

  const keyPrefix = `files/${ACCOUNT.appId}/demobucket/`;
  return {
    ...placeAt(port),
    endpoint,
    s3Bucket,
    keyPrefix,
    ports,
    kill,
    restart,
    ensure,
    async disturb() {
      const index = disturbed++ % ports.length;
      await kill(index);
      await sleep(300);
      await restart(index);
    },
    answered: (op) => log.match(new RegExp(`${op} "[^"]*" 200`, 'g'))?.length ?? 0,
    async read(path) {
      const key = `${keyPrefix}${path}`.split('/').map(encodeURIComponent).join('/');
      const { status, bytes, text } = await s3(endpoint, 'GET', `/${s3Bucket}/${key}`);
      if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
      return bytes;
    },
    async unfinished() {
      const { keys, uploads } = await contentsOf(endpoint, s3Bucket);
      const own = keys.filter((key) => /\.cos-slice\/(sessions|checkpoints|slices|staging|locks)\//.test(key));
      // A server that starts tries out what the store can do, with an upload of its own.
      return [...own, ...uploads.filter((key) => !key.includes('.cos-slice/probe/'))];
    },
    async peakMemory(index) {
      const status = await readFile(`/proc/${servers[index]?.pid}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024;
    },
    async close() {
      await killFront();
      await end();
    },
  };
}

const hasEnded = (child: ChildProcess): boolean => (child.exitCode ?? child.signalCode) !== null;

/** The configuration that the documentation has, with the addresses of here. */
async function startNginx(folder: string, port: number, ports: readonly number[]): Promise<ChildProcess> {
  const site = (await readFile(new URL('nginx.conf', DEPLOY), 'utf8'))
    .replace('listen 80;', `listen 127.0.0.1:${port};`)
    .replace(/server-(\d):9000/g, (_, number) => `127.0.0.1:${ports[number - 1] ?? ports[0]}`);
  await mkdir(join(folder, 'temp'), { recursive: true });
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/temp;`);
  const http = `http { access_log off; ${paths.join(' ')}\n${site}}`;
  const config = `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; events {}\n${http}`;
  await writeFile(join(folder, 'nginx.conf'), config);
  return listening(
    'nginx',
    ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log'), '-g', 'master_process off;'],
    port,
  );
}

async function startHaproxy(folder: string, port: number, ports: readonly number[]): Promise<ChildProcess> {
  const config = (await readFile(new URL('haproxy.cfg', DEPLOY), 'utf8'))
    .replace('bind :80', `bind 127.0.0.1:${port}`)
    .replace(/server-(\d):9000/g, (_, number) => `127.0.0.1:${ports[number - 1] ?? ports[0]}`);
  await writeFile(join(folder, 'haproxy.cfg'), config);
  return listening('haproxy', ['-q', '-db', '-f', join(folder, 'haproxy.cfg')], port);
}

async function listening(program: string, args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  for (;;) {
    if (hasEnded(child)) throw new Error(`${program} ended with ${child.exitCode ?? child.signalCode}`);
    if (await listens(port)) return child;
    await sleep(20);
  }
}
