import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../src', import.meta.url));

/**
 * Bundles the page into a folder.
 *
 * @param {string} outDir is emptied before
 * @param {{ fromSources?: boolean }} [options] `fromSources`: take the workspace's packages from their sources, which need no
 *   build
 */
export async function buildPage(outDir, { fromSources = false } = {}) {
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  await build({
    entryPoints: [join(source, 'page.ts'), join(source, 'page.css')],
    outdir: outDir,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: !fromSources,
    legalComments: 'none',
    logLevel: 'error',
    ...(fromSources ? { conditions: ['@cos-slice/source'] } : {}),
  });
  await copyFile(join(source, 'index.html'), join(outDir, 'index.html'));
}
