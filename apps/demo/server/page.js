import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { sendJson } from './json.js';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/**
 * The page's files, kept in memory.
 *
 * @param {string} dir
 * @param {object} config what the page has to know
 * @param {readonly string[]} origins other places than the demo's that it may send to
 */
export async function createPage(dir, config, origins) {
  /** @type {Map<string, { type: string, content: Buffer | string }>} */
  const files = new Map();
  for (const name of await readdir(dir)) {
    const type = TYPES[/** @type {keyof typeof TYPES} */ (extname(name))];
    if (type) files.set(`/${name}`, { type, content: await readFile(join(dir, name)) });
  }
  const html = files.get('/index.html');
  if (!html) throw new Error(`there is no page in ${dir}: build it first`);
  const json = JSON.stringify(config).replaceAll('<', '\\u003c');
  files.set('/', { ...html, content: html.content.toString().replace('{"config":"here"}', () => json) });
  files.delete('/index.html');

  return {
    /**
     * @param {import('node:http').IncomingMessage} req
     * @param {import('node:http').ServerResponse} res
     * @param {string} path
     */
    send(req, res, path) {
      const file = req.method === 'GET' || req.method === 'HEAD' ? files.get(path) : undefined;
      if (!file) return sendJson(res, 404, { message: 'there is nothing here' });
      const host = req.headers.host ?? '';
      const port = /:(\d+)$/.exec(host)?.[1] ?? '80';
      res.writeHead(200, {
        'Content-Type': file.type,
        'Cache-Control': 'no-cache',
        'X-Content-Type-Options': 'nosniff',
        'Content-Security-Policy': [
          "default-src 'self'",
          [`connect-src 'self' http://localhost:${port} http://127.0.0.1:${port}`, ...origins].join(' '),
          "img-src 'self' blob: data:",
          // The hash worker is WebAssembly, started from a Blob URL.
          "script-src 'self' 'wasm-unsafe-eval'",
          "style-src 'self' 'unsafe-inline'",
          'worker-src blob:',
          "frame-ancestors 'none'",
        ].join('; '),
      });
      res.end(file.content);
    },
  };
}
