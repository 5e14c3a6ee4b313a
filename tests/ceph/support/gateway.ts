import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { CephPlace } from '../setup.ts';
import { freePort } from './ports.ts';
import type { Front } from './shared.ts';

const exec = promisify(execFile);

/** One more gateway to the store, which may be killed. It ends with the store. */
export interface Gateway extends Front {
  readonly port: number;
  readonly endpoint: string;
  /** Kills it with SIGKILL, and starts it again where it was. @param downMs how long after. Default: at once */
  replace(downMs?: number): Promise<void>;
}

/** @param name one that `ceph.sh` has made keys for, and that no other test uses */
export async function startGateway({ script, dir }: CephPlace, name: string, minPartBytes?: number): Promise<Gateway> {
  const port = await freePort();
  const start = async (): Promise<void> => {
    await exec(script, ['gateway', dir, name, String(port), ...(minPartBytes ? [String(minPartBytes)] : [])]);
  };
  /** Its process, where it has not ended: whoever listens on its port may be another. */
  const runningPid = async (): Promise<number | undefined> => {
    const pid = Number(await readFile(join(dir, 'run', `${name}.pid`), 'utf8'));
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return /\(radosgw\) [^ZX]/.test(stat) ? pid : undefined;
  };
  const kill = async (): Promise<void> => {
    const pid = await runningPid();
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    while ((await runningPid()) !== undefined) await sleep(10);
  };
  await start();
  return {
    port,
    endpoint: `http://127.0.0.1:${port}`,
    async replace(downMs = 0) {
      await kill();
      await sleep(downMs);
      await start();
    },
    async ensure() {
      if ((await runningPid()) === undefined) await start();
    },
    close: kill,
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
