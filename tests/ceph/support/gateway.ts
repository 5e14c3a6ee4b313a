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
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again where it was. */
  restart(): Promise<void>;
}

/** @param name one that `ceph.sh` has made keys for, and that no other test uses */
export async function startGateway({ script, dir }: CephPlace, name: string, minPartBytes?: number): Promise<Gateway> {
  const port = await freePort();
  const restart = async (): Promise<void> => {
    await exec(script, ['gateway', dir, name, String(port), ...(minPartBytes ? [String(minPartBytes)] : [])]);
  };
  await restart();
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    restart,
    async kill() {
      process.kill(Number(await readFile(join(dir, 'run', `${name}.pid`), 'utf8')), 'SIGKILL');
      while (await listens(port)) await sleep(10);
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
