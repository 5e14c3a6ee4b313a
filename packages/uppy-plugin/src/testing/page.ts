import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import type { Setting } from '../../../browser/src/testing/setting.ts';

/** A page with `#uploads` in it that runs what an application would write, styles included. */
export async function openPage(browser: Browser, setting: Setting, code: string): Promise<Page> {
  const { outputFiles } = await build({
    stdin: { contents: code, loader: 'jsx', resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    jsx: 'automatic',
    format: 'esm',
    target: 'es2022',
    conditions: ['@cos-slice/source'],
    outdir: 'out',
    write: false,
    logLevel: 'error',
  });
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${setting.pageUrl}/blank`);
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('div'), { id: 'uploads' })));
  for (const { path, text: content } of outputFiles) {
    if (path.endsWith('.css')) await page.addStyleTag({ content });
    else await page.addScriptTag({ content, type: 'module' });
  }
  return page;
}
