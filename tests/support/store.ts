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
