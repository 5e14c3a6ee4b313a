// The demo: page, slice server and signing endpoint behind one address.
import { fileURLToPath } from 'node:url';
import { startDemo } from './demo.js';

const DEFAULT_PORT = 5180;

/** @param {string} path */
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const wanted = process.env.PORT;
const options = {
  dir: process.env.DEMO_DIR ?? here('../uploads'),
  pageDir: here('../dist'),
};

/** @param {unknown} error */
function isPortInUse(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE';
}

/** Without a wish, the usual port, or any that is free. */
async function start() {
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
