import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { freePort } from './ports.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The façade as a process of its own, which may be killed. */
export interface FacadeProcess {
  readonly port: number;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again where it was. @param aheadMs by how much its clock is ahead */
  restart(aheadMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** Where the packages are found that it needs. */
const PROGRAM = join(here('../../dist'), `cos-facade-${process.pid}.js`);

export async function startFacadeProcess(endpoint: string, bucket: string): Promise<FacadeProcess> {
  await mkdir(here('../../dist'), { recursive: true });
  await build({
    entryPoints: [here('cos-facade-main.ts')],
    outfile: PROGRAM,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  const port = await freePort();
  let child: ChildProcess | undefined;

  async function restart(aheadMs = 0): Promise<void> {
    const args = [PROGRAM, endpoint, bucket, String(port), String(aheadMs)];
    const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    const ended = once(started, 'exit').then(([code]) => {
      throw new Error(`the façade ended with ${code} before it was ready`);
    });
    await Promise.race([once(createInterface(started.stdout), 'line'), ended]);
    ended.catch(() => {});
  }

  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  await restart();
  return {
    port,
    kill,
    restart,
    async close() {
      await kill();
      await rm(PROGRAM, { force: true });
    },
  };
}
