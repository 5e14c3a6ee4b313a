import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Account, createSliceServer, fileStore, type RequestInfo } from '@cos-slice/server';

export const KEY = 'a-key-that-nobody-must-see';
export const ACCOUNT: Account = { appId: '10055004', secretId: 'ID', secretKey: KEY, buckets: ['demo', 'other'] };

/** A real server in this process, a folder for files, and what a command needs to be told of them. */
export interface World {
  readonly folder: string;
  readonly origin: string;
  readonly endpoint: string;
  /** All settings as variables. */
  readonly env: NodeJS.ProcessEnv;
  readonly requests: RequestInfo[];
  /** Requests that have come in, answered or not. */
  arrivals: number;
  /** How long each request waits before it is answered; Infinity: for ever. */
  delayMs: number;
  /** Looks at each request first. @returns whether it has answered it */
  intercept: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined;
  /** Writes a file of random content. @returns its path */
  file(name: string, sizeBytes: number): Promise<string>;
  /** Puts an object or, with a slash at its end, a directory at BUCKET/PATH. */
  put(path: string, content?: string | Uint8Array): Promise<void>;
  /** Whether anything is at BUCKET/PATH. */
  has(path: string): boolean;
  /** What the server has at BUCKET/PATH. */
  stored(path: string): Promise<string>;
  close(): Promise<void>;
}

export async function createWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-cli-'));
  const root = join(folder, 'store');
  const requests: RequestInfo[] = [];
  const slices = createSliceServer({
    store: fileStore(root),
    accounts: [ACCOUNT],
    publicRead: true,
    onRequest: (info) => requests.push(info),
  });
  const http = createServer((req, res) => {
    world.arrivals += 1;
    if (world.intercept?.(req, res)) return;
    if (world.delayMs === 0) void slices.handle(req, res);
    else if (world.delayMs < Number.POSITIVE_INFINITY) setTimeout(() => void slices.handle(req, res), world.delayMs);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const endpoint = `${origin}/files/v2`;
  const world: World = {
    folder,
    origin,
    endpoint,
    requests,
    arrivals: 0,
    delayMs: 0,
    intercept: undefined,
    env: {
      COS_SLICE_ENDPOINT: endpoint,
      COS_APP_ID: ACCOUNT.appId,
      COS_SECRET_ID: ACCOUNT.secretId,
      COS_SECRET_KEY: KEY,
      XDG_STATE_HOME: join(folder, 'state'),
    },
    async file(name, sizeBytes) {
      const path = join(folder, 'files', name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, randomBytes(sizeBytes));
      return path;
    },
    async put(path, content = path) {
      const at = join(root, ACCOUNT.appId, path);
      await mkdir(path.endsWith('/') ? at : dirname(at), { recursive: true });
      if (!path.endsWith('/')) await writeFile(at, content);
    },
    has: (path) => existsSync(join(root, ACCOUNT.appId, path)),
    stored: (path) => digestOf(join(root, ACCOUNT.appId, path)),
    async close() {
      http.close();
      http.closeAllConnections();
      await slices.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

export async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
