import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { onTestFinished } from 'vitest';
import { ACCOUNT } from './support/store.ts';
import { describeVendorNode } from './support/vendor-node.ts';

describeVendorNode('a server on files', async (folder) => {
  const root = join(folder, 'store');
  const server = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT] });
  onTestFinished(() => server.close());
  const { port } = await server.listen();
  return { port, read: (path) => readFile(join(root, ACCOUNT.appId, 'demobucket', path)) };
});
