import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { freePort } from './support/ports.ts';

const SCRIPT = fileURLToPath(new URL('ceph.sh', import.meta.url));
/** For Debian's mirrors on a bad day. */
const INSTALL_MS = 15 * 60_000;

const exec = promisify(execFile);

/** One Ceph for the whole run of the tests. */
export interface CephPlace {
  /** What gateways are started and stopped with. */
  readonly script: string;
  readonly dir: string;
  /** A gateway with the usual smallest part of 5 MiB, and one that takes parts from 64 KiB on. */
  readonly endpoint: string;
  readonly smallEndpoint: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Undefined where Ceph cannot be: the tests that need it are skipped. */
    readonly ceph: CephPlace | undefined;
  }
}

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  try {
    await exec(SCRIPT, ['install'], { timeout: INSTALL_MS });
  } catch (error) {
    const why = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) || String(error);
    console.warn(`tests on Ceph are skipped: ${why}`);
    project.provide('ceph', undefined);
    return undefined;
  }
  const dir = await mkdtemp(join(tmpdir(), 'cos-slice-ceph-'));
  const stop = async (): Promise<void> => {
    await exec(SCRIPT, ['stop', dir]);
    await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  };
  try {
    await exec(SCRIPT, ['start', dir, String(await freePort())]);
    const [port, smallPort] = [await freePort(), await freePort()];
    await exec(SCRIPT, ['gateway', dir, 'usual', String(port)]);
    await exec(SCRIPT, ['gateway', dir, 'small', String(smallPort), '65536']);
    const urlOf = (at: number) => `http://127.0.0.1:${at}`;
    project.provide('ceph', { script: SCRIPT, dir, endpoint: urlOf(port), smallEndpoint: urlOf(smallPort) });
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}
