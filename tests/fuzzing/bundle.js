// @ts-check
import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { instrument } from './instrument.js';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const coverage = join(here, 'engine/coverage.ts');

/** What is watched: the code that users get. */
const WATCHED = /\/packages\/(core|node|server)\/src\/(?!testing\/)/;

/**
 * The program with the packages' sources in it, each branch of which counts how often it is taken.
 *
 * @param {string} outfile
 * @param {RegExp} [watched] whose branches count
 */
export async function bundle(outfile, watched = WATCHED) {
  let branches = 0;
  /** @type {Set<string>} */
  const words = new Set();
  await build({
    entryPoints: [join(here, 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@cos-slice/source'],
    logLevel: 'error',
    plugins: [
      {
        name: 'counts-branches',
        setup(builder) {
          // What is not of this house stays outside.
          builder.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
            kind === 'entry-point' || path.startsWith('@cos-slice/') ? undefined : { path, external: true },
          );
          builder.onLoad({ filter: /\.[jt]s$/ }, async ({ path }) => {
            if (!watched.test(path)) return undefined;
            const source = await readFile(path, 'utf8');
            const first = branches;
            const counted = instrument(source, '__taken', () => branches++);
            for (const word of counted.words) words.add(word);
            const head = `import { taken as __taken } from ${JSON.stringify(coverage)}; import { addBranches } from ${JSON.stringify(coverage)}; addBranches(${JSON.stringify(relative(root, path))}, ${first}, ${branches - first}); `;
            return { contents: head + counted.text, loader: path.endsWith('.js') ? 'js' : 'ts' };
          });
        },
      },
    ],
  });
  return { branches, words: [...words].sort() };
}
