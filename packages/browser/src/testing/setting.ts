import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSigner, type SignClaim } from '@cos-slice/core';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { type Site, startSite } from '@cos-slice/testkit/site';
import { build } from 'esbuild';

const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };

export interface Setting extends Site {
  readonly root: string;
  readonly endpoint: string;
  /** Every request to the slice server, preflights included. */
  readonly requests: readonly { readonly method: string; readonly op?: string | undefined }[];
  file(path: string): string;
}

/** A page that has this package, a signing endpoint and a slice server. */
export async function createSetting(): Promise<Setting> {
  const root = await mkdtemp(join(tmpdir(), 'cos-slice-browser-'));
  const scripts = new Map([
    ['/page.js', await bundle('./page.ts')],
    ['/hash-worker.js', await readFile(new URL('../../dist/hash-worker.js', import.meta.url), 'utf8')],
  ]);
  const requests: { method: string; op?: string | undefined }[] = [];
  const store = createSliceServer({
    store: fileStore(root),
    accounts: [ACCOUNT],
    instantFrom: 'bucket',
    onRequest: ({ method, op }) => void requests.push({ method, op }),
  });
  const signer = createSigner({ ...ACCOUNT, bucket: 'demobucket', folders: true });
  const site = await startSite({
    scripts,
    slices: (req, res) => store.handle(req, res),
    sign: async (claim) => signer.sign(claim as SignClaim, new AbortController().signal),
  });
  const closeSite = site.close;
  return Object.assign(site, {
    root,
    endpoint: `${site.slicesUrl}/files/v2`,
    requests,
    file: (path: string) => join(root, ACCOUNT.appId, 'demobucket', path),
    async close() {
      await closeSite();
      await store.close();
      await rm(root, { recursive: true, force: true });
    },
  });
}

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    conditions: ['@cos-slice/source'],
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}
