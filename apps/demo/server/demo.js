import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { sendDigest } from './digest.js';
import { createFaults } from './faults.js';
import { createFeed } from './feed.js';
import { readBody, sendJson } from './json.js';
import { readKey } from './key.js';
import { createPage } from './page.js';
import { createSigningEndpoint } from './signing.js';
import { createStore } from './store.js';

export const APP_ID = '1250000000';
export const BUCKET = 'demo';
const SECRET_ID = 'demo';
export const PREFIX = '/files/v2';

/**
 * @typedef {object} Demo
 * @property {string} url where the page is
 * @property {string} filesDir where uploads land
 * @property {import('./faults.js').Faults} faults
 * @property {() => Promise<void>} close
 */

/**
 * Starts the demo: one HTTP server with the page, the slice server below `/files/v2`, and the signing endpoint.
 *
 * @param {{ dir: string, pageDir: string, port: number, s3?: import('./store.js').StoreOptions | undefined }} options `dir`: of
 *   the file store; `s3`: an object store that files may go to instead
 * @returns {Promise<Demo>}
 */
export async function startDemo({ dir, pageDir, port, s3 }) {
  const objects = s3 && createStore(s3);
  const root = resolve(dir);
  const filesDir = join(root, APP_ID, BUCKET);
  const secretKey = await readKey(root);
  const account = { appId: APP_ID, secretId: SECRET_ID, secretKey };

  const store = fileStore(root);
  const feed = createFeed();
  const counts = { run: randomUUID(), version: 0, preflights: 0 };
  const state = () => ({ ...counts, ...faults.state() });
  const tell = () => {
    // Pages hear of changes over two connections: they must know what is newer.
    counts.version += 1;
    feed.send(state());
  };
  const slices = createSliceServer({
    store,
    accounts: [{ ...account, buckets: [BUCKET] }],
    prefix: PREFIX,
    publicRead: true,
    onRequest: ({ method }) => {
      if (method !== 'OPTIONS') return;
      counts.preflights += 1;
      tell();
    },
  });
  const faults = createFaults({ store, prefix: PREFIX, account, bucket: BUCKET, onChange: () => tell() });
  const sign = createSigningEndpoint({ account, bucket: BUCKET, objects, onSigned: faults.signed });

  /** @type {import('node:http').RequestListener} */
  async function answer(req, res) {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://demo');
    if (pathname.startsWith(`${PREFIX}/`)) return faults.pass(req, res, () => slices.handle(req, res));
    if (pathname === '/sign' && req.method === 'POST') return sign(req, res);
    if (pathname === '/demo/events') return feed.join(req, res, state());
    if (pathname === '/demo/faults' && req.method === 'POST') {
      faults.set(await readBody(req));
      return sendJson(res, 200, state());
    }
    const path = searchParams.get('path') ?? '';
    if (pathname === '/demo/digest') return sendDigest(res, filesDir, path);
    if (objects && pathname === '/demo/store-digest') return sendJson(res, 200, await objects.digest(path));
    if (objects && pathname === '/demo/open')
      return void res.writeHead(302, { Location: await objects.urlOf(path) }).end();
    page.send(req, res, pathname);
  }
  /** @type {import('node:http').RequestListener} */
  const listener = (req, res) => {
    Promise.resolve(answer(req, res)).catch((error) => {
      if (res.headersSent) res.destroy();
      else sendJson(res, error.status ?? 500, { message: error.status ? error.message : 'the demo server failed' });
    });
  };

  const main = createServer({ requestTimeout: 0 }, listener);
  const boundPort = await listen(main, port, '127.0.0.1');
  // The page sends files to another name of this machine than its own, as pages do in real life: with preflights, and with
  // connections that do not compete with the page's. `localhost` may mean ::1, so somebody has to be there.
  const second = createServer({ requestTimeout: 0 }, listener);
  const bothNames = await listen(second, boundPort, '::1').then(
    () => true,
    (error) => error.code !== 'EADDRINUSE',
  );
  const config = {
    appId: APP_ID,
    bucket: BUCKET,
    prefix: PREFIX,
    otherNames: bothNames ? { '127.0.0.1': 'localhost', localhost: '127.0.0.1' } : {},
    ...(objects && { s3: objects.config }),
  };
  const page = await createPage(pageDir, config, objects ? [objects.origin] : []);

  return {
    url: `http://127.0.0.1:${boundPort}`,
    filesDir,
    faults,
    async close() {
      feed.close();
      await Promise.all([shut(main), shut(second)]);
      await slices.close();
    },
  };
}

/**
 * @param {import('node:http').Server} server
 * @param {number} port
 * @param {string} host
 * @returns {Promise<number>} the port
 */
function listen(server, port, host) {
  return new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      done(/** @type {import('node:net').AddressInfo} */ (server.address()).port);
    });
  });
}

/** @param {import('node:http').Server} server */
function shut(server) {
  return new Promise((done) => {
    server.close(done);
    server.closeAllConnections();
  });
}
