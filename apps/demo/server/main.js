// The demo: page, slice server and signing endpoint behind one address.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startDemo } from './demo.js';

const DEFAULT_PORT = 5180;

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const wanted = process.env.PORT;

/** Flags of the object store, and the variables that may stand for them. */
const STORE = {
  's3-endpoint': 'DEMO_S3_ENDPOINT',
  's3-bucket': 'DEMO_S3_BUCKET',
  's3-region': 'DEMO_S3_REGION',
  's3-server': 'DEMO_S3_SERVER',
};

/** The object store that files may go to, when one is given. */
function readStore() {
  const text = /** @type {const} */ ({ type: 'string' });
  const names = /** @type {(keyof typeof STORE)[]} */ (Object.keys(STORE));
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, text])) });
  const [endpoint, bucket, region, server] = names.map(
    (name) => /** @type {string | undefined} */ (values[name]) || process.env[STORE[name]] || undefined,
  );
  if (endpoint === undefined && bucket === undefined) return undefined;
  const { AWS_ACCESS_KEY_ID: secretId, AWS_SECRET_ACCESS_KEY: secretKey, AWS_SESSION_TOKEN: token } = process.env;
  if (!endpoint || !bucket) throw new Error('--s3-endpoint and --s3-bucket go together');
  if (!secretId || !secretKey) throw new Error('the store needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  const profile = /** @type {import('./store.js').StoreOptions['server']} */ (server);
  return { endpoint, bucket, region, server: profile, credentials: { secretId, secretKey, token: token || undefined } };
}

/** @param {unknown} error */
function isPortInUse(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE';
}

/** Without a wish, the usual port, or any that is free. */
async function start() {
  const options = { dir: process.env.DEMO_DIR ?? here('../uploads'), pageDir: here('../dist'), s3: readStore() };
  if (wanted !== undefined) return startDemo({ ...options, port: Number(wanted) });
  try {
    return await startDemo({ ...options, port: DEFAULT_PORT });
  } catch (error) {
    if (!isPortInUse(error)) throw error;
    return startDemo({ ...options, port: 0 });
  }
}

try {
  const demo = await start();
  console.log(`uploads land in ${demo.filesDir}`);
  console.log(`ready ${demo.url}`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, async () => {
      await demo.close();
      process.exit(0);
    });
  }
} catch (error) {
  const said = error instanceof Error ? error.message : String(error);
  console.error(`demo: ${isPortInUse(error) ? `port ${wanted} is in use: choose another with PORT` : said}`);
  process.exitCode = 1;
}
