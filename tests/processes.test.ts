import { join } from 'node:path';
import { sha256 } from '@cos-slice/testkit/files';
import { expect } from 'vitest';
import { serve, upload } from './support/command.ts';
import { JSON_FACTS } from './support/place.ts';
import { describeProcesses, type ProcessPlace } from './support/processes.ts';
import { sessionsIn } from './support/store.ts';

const MIB = 1024 * 1024;

async function start(folder: string): Promise<ProcessPlace> {
  const root = join(folder, 'store');
  let server = await serve(root, folder);
  let before = '';
  return {
    port: server.port,
    upload: (file, path, home, more, port = server.port) => upload(file, path, port, home, more),
    hashOf: (path) => sha256(join(root, '10055004', 'demobucket', path)),
    answered: () => (before + server.stdout).match(/upload_slice_data "[^"]*" 200/g)?.length ?? 0,
    async crash() {
      server.process.kill('SIGKILL');
      await server.ended;
      before += server.stdout;
      server = await serve(root, folder, server.port);
    },
    unfinished: () => sessionsIn(root),
    async close() {
      server.process.kill('SIGTERM');
      expect(await server.ended).toBe(0);
    },
  };
}

describeProcesses('a server on files', JSON_FACTS, start, {
  sliceBytes: MIB,
  large: [
    [1024 * MIB, 'sha1'],
    [300 * MIB, 'md5'],
    [300 * MIB, 'none'],
  ],
  killedSlices: 512,
});
