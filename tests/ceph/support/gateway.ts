import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { CephPlace } from '../setup.ts';
import { freePort } from './ports.ts';

const exec = promisify(execFile);

/** One more gateway to the store, which may be killed. It ends with the store. */
export interface Gateway {
  readonly port: number;
  readonly endpoint: string;
  /** Kills it with SIGKILL, and starts it again where it was. @param downMs how long after. Default: at once */
  replace(downMs?: number): Promise<void>;
  /** Starts it if it does not run, as after a test that failed while it was replaced. */
  ensure(): Promise<void>;
}

/** @param name one that `ceph.sh` has made keys for, and that no other test uses */
export async function startGateway({ script, dir }: CephPlace, name: string, minPartBytes?: number): Promise<Gateway> {
  const port = await freePort();
  const start = async (): Promise<void> => {
    await exec(script, ['gateway', dir, name, String(port), ...(minPartBytes ? [String(minPartBytes)] : [])]);
  };
  await start();
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    async replace(downMs = 0) {
      const pid = Number(await readFile(join(dir, 'run', `${name}.pid`), 'utf8'));
      if (await listens(port)) process.kill(pid, 'SIGKILL');
      while (await listens(port)) await sleep(10);
      await sleep(downMs);
      await start();
    },
    async ensure() {
      if (!(await listens(port))) await start();
    },
  };
}

/** Whether anybody takes connections there. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isThere = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isThere;
}
