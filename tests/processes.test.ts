import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@cos-slice/testkit/files';
import { expect } from 'vitest';
import { serve } from './support/command.ts';
import { describeProcesses, type ProcessPlace } from './support/processes.ts';

const MIB = 1024 * 1024;

async function start(folder: string): Promise<ProcessPlace> {
  const root = join(folder, 'store');
  let server = await serve(root, folder);
  let before = '';
  return {
    endpoint: server.endpoint,
    hashOf: (path) => sha256(join(root, '10055004', 'demobucket', path)),
    answered: (op) => (before + server.stdout).match(new RegExp(`${op} "[^"]*" 200`, 'g'))?.length ?? 0,
    async crash() {
      server.process.kill('SIGKILL');
      await server.ended;
      before += server.stdout;
      server = await serve(root, folder, server.port);
    },
    async unfinished() {
      const sessions = join(root, '.cos-slice', 'sessions');
      return existsSync(sessions) ? await readdir(sessions) : [];
    },
    async close() {
      server.process.kill('SIGTERM');
      expect(await server.ended).toBe(0);
    },
  };
}

describeProcesses('a server on files', start, {
  large: [
    [1024 * MIB, 'sha1'],
    [300 * MIB, 'md5'],
    [300 * MIB, 'none'],
  ],
  killedBytes: 512 * MIB,
});
