import { once } from 'node:events';
import fs from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Client, createClient } from '../client.ts';

const NOTHING = JSON.stringify({ code: 0, message: 'SUCCESS', data: { infos: [], listover: true, context: '' } });
let server: Server;
let client: Client;
let folder: string;
beforeAll(async () => {
  server = createServer((_request, response) => response.end(NOTHING)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/v2`;
  client = createClient({ endpoint, appId: '1', bucket: 'b', signer: () => 'c2ln', resume: false, proxy: false });
  folder = await fs.mkdtemp(join(tmpdir(), 'cos-slice-'));
  await fs.writeFile(join(folder, 'a.bin'), 'content');
});
afterAll(async () => {
  server.close();
  await fs.rm(folder, { recursive: true });
});
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** The next calls of this function that are about such a path never come back. @returns when there has been one */
function hang(name: 'stat' | 'lstat' | 'opendir' | 'mkdir', path: string): Promise<void> {
  const real = fs[name] as (...given: unknown[]) => Promise<unknown>;
  return new Promise((called) => {
    const call = (...given: unknown[]): Promise<unknown> => {
      if (given[0] !== path) return real(...given);
      called();
      return new Promise(() => {});
    };
    vi.spyOn(fs, name).mockImplementation(call as never);
    syncBuiltinESMExports();
  });
}

describe('on a disk that does not answer, a directory is given up as soon as it is cancelled', () => {
  const [top, file, made] = [() => folder, () => join(folder, 'a.bin'), () => join(folder, 'new')];
  test.each([
    ['an upload whose walk hangs at its top', 'stat', top, 'up'],
    ['an upload whose walk hangs', 'opendir', top, 'up'],
    ['an upload that hangs at a file', 'stat', file, 'up'],
    ['a download that hangs where it looks what is there', 'lstat', made, 'down'],
    ['a download that hangs where it makes a directory', 'mkdir', made, 'down'],
  ] as const)('%s', async (_what, name, path, way) => {
    const hanging = hang(name, path());
    const controller = new AbortController();
    const { signal } = controller;
    const { done } =
      way === 'up' ? client.uploadDirectory(folder, { signal }) : client.downloadDirectory('', made(), { signal });
    await hanging;
    controller.abort('enough');
    await expect(done).rejects.toBe('enough');
  });
});
