// @ts-check
// A server in a process of its own, which tells what it costs.
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createSliceServer, fileStore, paceGarbageCollection, s3Store } from '@cos-slice/server';
import { FileStore } from '@tus/file-store';
import { Server as TusServer } from '@tus/server';
import { ACCOUNT } from '../lib/account.js';
import { readJob } from '../lib/job.js';
import { startMeter } from '../lib/usage.js';
import { listen } from './listen.js';
import { startPipe } from './pipe.js';

/** @type {{ kind: 'cos-slice' | 'tus' | 'plain' | 's3' | 'pipe', dir: string, store: import('@cos-slice/server').S3StoreOptions }} */
const { kind, dir, store: place } = readJob();

// As `cos-slice serve` does; what servers are held against gets it, too.
if (kind !== 'tus') paceGarbageCollection();
const start = { 'cos-slice': startOurs, tus: startTus, plain: startPlain, s3: startS3, pipe: () => startPipe(place) };
const port = await start[kind]();
let meter = startMeter();
process.on('message', (/** @type {{ type: 'start' | 'stop' }} */ { type }) => {
  if (type === 'start') meter = startMeter();
  process.send?.({ type: 'usage', ...meter() });
});
process.on('disconnect', () => process.exit());
process.send?.({ type: 'ready', port });

async function startOurs() {
  const server = createSliceServer({ store: fileStore(dir), accounts: [ACCOUNT] });
  return (await server.listen()).port;
}

async function startS3() {
  const credentials = { accessKeyId: 'AK', secretAccessKey: 'SK' };
  const abilities = /** @type {const} */ ({
    putsIfNew: true,
    ifMatch: 'bare',
    completesIfNew: false,
    tagsAreMd5s: true,
  });
  const store = s3Store({ ...place, credentials, abilities });
  return (await createSliceServer({ store, accounts: [ACCOUNT] }).listen()).port;
}

async function startTus() {
  const tus = new TusServer({ path: '/files', datastore: new FileStore({ directory: dir }) });
  return listen(createServer((req, res) => void tus.handle(req, res)));
}

/**
 * The limit of a server: node:http, and bodies put where they belong in one file per path, whatever they contain. One write for
 * each body, since a pipeline of 64 KiB writes is slower than servers that do work. It answers when the write is done.
 */
async function startPlain() {
  /** @type {Map<string, Promise<import('node:fs/promises').FileHandle>>} */
  const files = new Map();
  /** @param {string} path */
  const fileOf = (path) => {
    const file = files.get(path) ?? open(join(dir, encodeURIComponent(path)), 'w');
    files.set(path, file);
    return file;
  };
  return listen(
    createServer((req, res) => {
      const url = new URL(req.url ?? '', 'http://plain');
      const at = Number(url.searchParams.get('at') ?? 0);
      /** @type {Buffer[]} */
      const chunks = [];
      req.on('data', (chunk) => chunks.push(chunk));
      req.on('end', async () => {
        const file = await fileOf(url.pathname);
        await file.writev(chunks, at);
        res.end('{"code":0,"message":"SUCCESS","data":{"session":"plain"}}');
      });
    }),
  );
}
