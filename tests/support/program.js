// @ts-check
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const tests = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Is not JavaScript: it goes into the bundle. All else is what users get. */
const SOURCES = /^(\.|@cos-slice\/testkit\/)/;

/**
 * Turns a program of this folder into JavaScript beside its folder, where all that it refers to is found, and runs it.
 *
 * @param {string} folder
 * @param {readonly string[]} modules the first one is run: its `main` gets the arguments and the files of the others
 */
export async function runProgram(folder, modules) {
  const dist = join(tests, 'dist');
  await mkdir(dist, { recursive: true });
  const fileOf = (/** @type {string} */ name) => join(dist, `${folder}-${name}-${process.pid}.js`);
  const files = modules.map(fileOf);
  try {
    await Promise.all(
      modules.map((name) =>
        build({
          entryPoints: [join(tests, folder, `${name}.ts`)],
          outfile: fileOf(name),
          bundle: true,
          platform: 'node',
          format: 'esm',
          target: 'node20',
          logLevel: 'error',
          plugins: [
            {
              name: 'packages-as-they-are',
              setup(builder) {
                builder.onResolve({ filter: /.*/ }, ({ path, kind }) =>
                  kind === 'entry-point' || SOURCES.test(path) ? undefined : { path, external: true },
                );
              },
            },
          ],
        }),
      ),
    );
    const [first = ''] = files;
    const { main } = await import(pathToFileURL(first).href);
    // Its folders and processes are its own to clear away.
    process.once('SIGTERM', () => process.exit(143));
    await main(process.argv.slice(2), files.slice(1));
  } finally {
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }
}
