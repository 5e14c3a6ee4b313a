import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigner, type UploadOptions } from '@cos-slice/node';
import { createSliceServer, fileStore, type SliceServerOptions } from '@cos-slice/server';

export const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };

export interface RunningStore {
  readonly root: string;
  readonly port: number;
  /** What an upload needs to come here. */
  readonly options: Pick<UploadOptions, 'endpoint' | 'appId' | 'bucket' | 'signer'>;
  /** The plain file behind an object. */
  file(path: string): string;
  close(): Promise<void>;
}

/** The real server on a free port, its files in a folder of their own. */
export async function startStore(
  root: string,
  more: Partial<SliceServerOptions> = {},
  port = 0,
): Promise<RunningStore> {
  const server = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT], ...more });
  const bound = await server.listen(port);
  const [bucket = ''] = ACCOUNT.buckets;
  return {
    root,
    port: bound.port,
    options: {
      endpoint: `${bound.url}/files/v2`,
      appId: ACCOUNT.appId,
      bucket,
      signer: createSigner({ ...ACCOUNT, bucket }),
    },
    file: (path) => join(root, ACCOUNT.appId, bucket, path),
    close: () => server.close(),
  };
}

/** A folder that is gone after `use`. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const BLOCK_BYTES = 4 * 1024 * 1024;

/** Writes a file no two blocks of which are alike, so that a slice in the wrong place shows. */
export async function makeFile(path: string, sizeBytes: number): Promise<string> {
  const block = randomBytes(Math.min(sizeBytes, BLOCK_BYTES));
  const file = await open(path, 'w');
  try {
    for (let offset = 0; offset < sizeBytes; offset += block.length) {
      block.writeUInt8((offset / BLOCK_BYTES) & 255, 0);
      if (block.length > 8) block.writeUInt32LE(offset / BLOCK_BYTES, Math.min(4, block.length - 4));
      await file.write(block, 0, Math.min(block.length, sizeBytes - offset), offset);
    }
  } finally {
    await file.close();
  }
  return path;
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest('hex');
}
