import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RequestInfo, SliceServerOptions } from '../options.ts';
import { encodePath } from '../protocol/path.ts';
import { createSliceServer, type SliceServer } from '../server.ts';
import { fileStore } from '../store/files/file-store.ts';
import { ACCOUNT } from './sign.ts';

export interface TestServer {
  server: SliceServer;
  dir: string;
  origin: string;
  /** Every request answered so far. */
  requests: RequestInfo[];
  /** The URL of an object, its path encoded as it should be. */
  urlOf(path: string): string;
  /** The stored file, read past the server. */
  stored(path: string): Promise<Buffer>;
}

export async function temporaryDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cos-slice-server-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A server over real files, which ends with the test. */
export async function startServer(options: Partial<SliceServerOptions> & { dir?: string } = {}): Promise<TestServer> {
  const dir = options.dir ?? (await temporaryDir());
  const requests: RequestInfo[] = [];
  const server = createSliceServer({
    store: fileStore(dir),
    accounts: [ACCOUNT],
    onRequest: (info) => requests.push(info),
    ...options,
  });
  const { url: origin } = await server.listen();
  onTestFinished(() => server.close());
  return {
    server,
    dir,
    origin,
    requests,
    urlOf: (path) => `${origin}${options.prefix ?? '/files/v2'}/${ACCOUNT.appId}/demobucket/${encodePath(path)}`,
    stored: (path) => readFile(join(dir, ACCOUNT.appId, 'demobucket', path)),
  };
}
