import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { COS_CREDENTIALS, type CosFacade, startCosFacade } from './cos-facade.ts';
import { makeBucket } from './s3.ts';

const CLI = fileURLToPath(new URL('../../../packages/cli/bin/cos-slice.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts the built command line as a process that knows nothing of this machine's settings. */
export function startCli(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): RunningCli {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH, ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return { child, ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })) };
}

/** A bucket as the command line is told of it. */
export interface CliPlace {
  /** `s3://bucket`, `cos://films-10055004` */
  readonly address: string;
  readonly env: NodeJS.ProcessEnv;
  /** Its name past all wires. */
  readonly bucket: string;
  readonly facade?: CosFacade;
  close(): Promise<void>;
}

export async function startS3Cli(endpoint: string): Promise<CliPlace> {
  const bucket = await makeBucket(endpoint);
  const env = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'AK',
    AWS_SECRET_ACCESS_KEY: 'SK',
    AWS_DEFAULT_REGION: 'us-east-1',
  };
  return { address: `s3://${bucket}`, env, bucket, close: async () => {} };
}

export async function startCosCli(endpoint: string): Promise<CliPlace> {
  const bucket = await makeBucket(endpoint);
  const facade = await startCosFacade(endpoint, bucket);
  const env = {
    COS_ENDPOINT: facade.endpoint,
    COS_REGION: 'sh',
    COS_SECRET_ID: COS_CREDENTIALS.secretId,
    COS_SECRET_KEY: COS_CREDENTIALS.secretKey,
  };
  return { address: 'cos://films-10055004', env, bucket, facade, close: () => facade.close() };
}
