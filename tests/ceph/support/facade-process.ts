import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { freePort } from './ports.ts';
import type { Front } from './shared.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The façade as a process of its own, which may be killed. */
export interface FacadeProcess extends Front {
  readonly port: number;
  /** Kills it with SIGKILL, and starts it again where it was. @param aheadMs by how much its clock is ahead then. Default: 0 */
  replace(aheadMs?: number): Promise<void>;
}

/** Where the package is found that stays outside. */
const PROGRAM = join(here('../../dist'), `cos-facade-${process.pid}.js`);

export async function startFacadeProcess(endpoint: string, bucket: string): Promise<FacadeProcess> {
  await mkdir(here('../../dist'), { recursive: true });
  await build({
    entryPoints: [here('cos-facade-main.ts')],
    outfile: PROGRAM,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['cos-nodejs-sdk-v5'],
    logLevel: 'error',
  });
  const port = await freePort();
  let child: ChildProcess | undefined;
  let isRight = false;

  async function start(aheadMs: number): Promise<void> {
    isRight = aheadMs === 0;
    const args = [PROGRAM, endpoint, bucket, String(port), String(aheadMs)];
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    const ended = once(started, 'exit').then(([code]) => {
      throw new Error(`the façade ended with ${code} before it was ready`);
    });
    await Promise.race([once(createInterface(started.stdout), 'line'), ended]);
    ended.catch(() => {});
  }

  const isRunning = (): boolean => child !== undefined && (child.exitCode ?? child.signalCode) === null;

  async function kill(): Promise<void> {
    if (!child || !isRunning()) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async function replace(aheadMs = 0): Promise<void> {
    await kill();
    await start(aheadMs);
  }

  await start(0);
  return {
    port,
    replace,
    async ensure() {
      if (!isRight || !isRunning()) await replace();
    },
    async close() {
      await kill();
      await rm(PROGRAM, { force: true });
    },
  };
}
