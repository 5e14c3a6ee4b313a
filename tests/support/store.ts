import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createSigner } from '@cos-slice/node';
import { createSliceServer, fileStore, type SliceServerOptions } from '@cos-slice/server';
import { cloudStore, createCloud } from '@cos-slice/server/testing';
import type { PlaceOptions, UploadPlace } from './place.ts';

export const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };
const BUCKET = 'demobucket';

/** How long the signatures of `signBriefly` count. */
export const BRIEF_SEC = 300;

export function signBriefly(): Pick<PlaceOptions, 'signer'> {
  return { signer: createSigner({ ...ACCOUNT, bucket: BUCKET, lifetimeSec: BRIEF_SEC }) };
}

export interface RunningStore extends UploadPlace {
  readonly root: string;
  /** The plain file behind an object. */
  file(path: string): string;
}

/** The real server on a free port, its files in a folder of their own. */
export async function startStore(
  root: string,
  more: Partial<SliceServerOptions> = {},
  port = 0,
): Promise<RunningStore> {
  const server = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT], ...more });
  const bound = await server.listen(port);
  const file = (path: string) => join(root, ACCOUNT.appId, BUCKET, path);
  return {
    root,
    ...placeAt(bound.port),
    file,
    read: (path) => readFile(file(path)),
    unfinished: () => sessionsIn(root),
    close: () => server.close(),
  };
}

/** Two servers that take the requests in turn, on a store without files: what one of them kept to itself, the other would miss. */
export async function startTwoServers(more: Partial<SliceServerOptions> = {}): Promise<UploadPlace> {
  const cloud = createCloud();
  const used = new Set<string>();
  const onceRegister = { use: async (id: string) => used.size !== used.add(id).size };
  const servers = [0, 1].map(() =>
    createSliceServer({ store: cloudStore(cloud), accounts: [ACCOUNT], onceRegister, ...more }),
  );
  let turn = 0;
  const front = createServer((req, res) => void servers[turn++ % servers.length]?.handle(req, res));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  return {
    ...placeAt((front.address() as AddressInfo).port),
    async read(path) {
      const object = await cloudStore(cloud).openObject({ appId: ACCOUNT.appId, bucket: BUCKET, path });
      const chunks: Buffer[] = [];
      for await (const chunk of object?.stream(0, object.info.sizeBytes - 1) ?? []) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
    async unfinished() {
      const [sessions, slices] = await Promise.all(['session/', 'slice/'].map((prefix) => cloud.list(prefix)));
      return [...(sessions ?? []), ...(slices ?? [])].map(({ key }) => key);
    },
    async close() {
      front.close();
      front.closeAllConnections();
      for (const server of servers) await server.close();
    },
  };
}

/** Names of what a store on files keeps of uploads that have not ended. */
export function sessionsIn(root: string): Promise<string[]> {
  return readdir(join(root, '.cos-slice', 'sessions')).catch((error) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

export function placeAt(port: number): Pick<UploadPlace, 'port' | 'options' | 'through' | 'follow' | 'astray'> {
  const signer = createSigner({ ...ACCOUNT, bucket: BUCKET });
  const through = (at: number): PlaceOptions => ({
    endpoint: `http://127.0.0.1:${at}/files/v2`,
    appId: ACCOUNT.appId,
    bucket: BUCKET,
    signer,
  });
  return {
    port,
    options: through(port),
    through,
    async follow(url) {
      const reply = await fetch(url);
      if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
      return Buffer.from(await reply.arrayBuffer());
    },
    astray: {
      bucket: { bucket: 'nobucket' },
      address: { endpoint: `http://127.0.0.1:${port}/wrong/prefix` },
      key: { signer: createSigner({ ...ACCOUNT, bucket: BUCKET, secretKey: 'ANOTHER KEY' }) },
    },
  };
}
