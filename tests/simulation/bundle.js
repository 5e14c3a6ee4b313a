// @ts-check
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const world = (/** @type {string} */ name) => join(here, 'world', name);

/** Modules of the runtime, and what client and server find in their place. */
const STAND_INS = {
  'node:fs': world('fs.ts'),
  'node:fs/promises': world('fs-promises.ts'),
  'node:crypto': world('crypto.ts'),
  'node:timers/promises': world('timers-promises.ts'),
  'node:worker_threads': world('worker-threads.ts'),
  'hash-wasm': world('hash-wasm.ts'),
};
const GLOBALS = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'performance',
  'Date',
  'Math',
  'globalThis',
];
/** What is simulated: the code that users get, but for the store on S3, whose other end is not. */
const isPlayer = (/** @type {string} */ path) => /\/packages\/(core|server)\/src\/(?!store\/s3\/)/.test(path);

/** @typedef {import('./mutants/index.js').Mutant} Mutant */

/**
 * Client, server and the world around them in one file, in which what is the runtime's has been replaced by what is the
 * world's. The sources are those of the packages, to the letter, unless a mutation changes one of them.
 *
 * @param {string} outfile
 * @param {Mutant} [mutation]
 */
export async function bundle(outfile, mutation) {
  let isMutated = mutation === undefined;
  await build({
    entryPoints: [join(here, 'worker.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@cos-slice/source'],
    logLevel: 'error',
    plugins: [
      {
        name: 'stand-ins',
        setup(builder) {
          builder.onResolve({ filter: /^(node:|hash-wasm$)/ }, ({ path, importer }) => {
            const standIn = STAND_INS[/** @type {keyof typeof STAND_INS} */ (path)];
            return isPlayer(importer) && standIn ? { path: standIn } : undefined;
          });
          builder.onLoad({ filter: /\/packages\/(core|server)\/src\// }, async ({ path }) => {
            if (!isPlayer(path)) return undefined;
            let text = await readFile(path, 'utf8');
            if (mutation && path === join(root, mutation.file)) {
              text = mutate(text, mutation);
              isMutated = true;
            }
            const used = GLOBALS.filter((name) => new RegExp(`(?<![.\\w])${name}\\b`).test(text));
            const wanted = used.filter((name) => name !== 'Math' || text.includes('Math.random'));
            const imports =
              wanted.length > 0 ? `import { ${wanted.join(', ')} } from ${JSON.stringify(world('runtime.ts'))}; ` : '';
            return { contents: imports + text, loader: path.endsWith('.js') ? 'js' : 'ts' };
          });
        },
      },
    ],
  });
  if (!isMutated) throw new Error(`${mutation?.file} is no part of what is simulated`);
}

/**
 * @param {string} text
 * @param {Mutant} mutation
 */
function mutate(text, { file, find, replace, also }) {
  return [{ find, replace }, ...(also ? [also] : [])].reduce((before, change) => {
    if (before.split(change.find).length !== 2) throw new Error(`${file} must have this once: ${change.find}`);
    return before.replace(change.find, () => change.replace);
  }, text);
}
