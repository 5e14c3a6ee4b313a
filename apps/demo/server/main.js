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

const HELP = `The demo: a page that uploads, the slice server that it uploads to, and the signatures for it.

  npm run demo -- [options]

  --s3-endpoint URL   an object store that files may go to instead; the page then lets one choose
  --s3-bucket NAME    its bucket
  --s3-region NAME    where it is (default us-east-1)
  --s3-server NAME    what it is, such as ceph or minio (default: any that speaks S3)
  --help

Variables: ${Object.values(STORE).join(', ')} for the same;
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN for the store; PORT (default ${DEFAULT_PORT}, or any that is free);
DEMO_DIR, where uploads land.
`;

const names = /** @type {(keyof typeof STORE)[]} */ (Object.keys(STORE));
const text = /** @type {const} */ ({ type: 'string' });

/** @throws TypeError for what is no option */
function readFlags() {
  const store = { 's3-endpoint': text, 's3-bucket': text, 's3-region': text, 's3-server': text };
  return parseArgs({ options: { ...store, help: { type: 'boolean' } } }).values;
}

/**
 * The object store that files may go to, when one is given.
 *
 * @param {ReturnType<typeof readFlags>} values
 */
function readStore(values) {
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

/**
 * Without a wish, the usual port, or any that is free.
 *
 * @param {ReturnType<typeof readFlags>} flags
 */
async function start(flags) {
  const options = { dir: process.env.DEMO_DIR ?? here('../uploads'), pageDir: here('../dist'), s3: readStore(flags) };
  if (wanted !== undefined) return startDemo({ ...options, port: Number(wanted) });
  try {
    return await startDemo({ ...options, port: DEFAULT_PORT });
  } catch (error) {
    if (!isPortInUse(error)) throw error;
    return startDemo({ ...options, port: 0 });
  }
}

async function run() {
  const flags = readFlags();
  if (flags.help) return console.log(HELP);
  const demo = await start(flags);
  console.log(`uploads land in ${demo.filesDir}`);
  console.log(`ready ${demo.url}`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, async () => {
      await demo.close();
      process.exit(0);
    });
  }
}

try {
  await run();
} catch (error) {
  const said = error instanceof Error ? error.message : String(error);
  console.error(`demo: ${isPortInUse(error) ? `port ${wanted} is in use: choose another with PORT` : said}`);
  process.exitCode = 1;
}
