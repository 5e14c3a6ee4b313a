import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface SiteOptions {
  /** Answers what is uploaded: the slice server. */
  readonly slices: RequestListener;
  /** What the signing endpoint answers with, for a claim as it was posted. */
  sign(claim: unknown): Promise<string>;
  /** What the page's server has, by path: JavaScript. `/` is a page that runs `/page.js`, every other path an empty one. */
  readonly scripts?: ReadonlyMap<string, string>;
}

/** A page, a signing endpoint beside it, and a slice server with an origin of its own, as in real life. */
export interface Site {
  /** Where the page is. */
  readonly pageUrl: string;
  readonly signUrl: string;
  /** More may be added. */
  readonly scripts: Map<string, string>;
  readonly slicesUrl: string;
  /** Looks at each request before the slice server does; true: it has dealt with it. */
  intercept: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined;
  /** Headers of the page, such as its Content-Security-Policy. */
  pageHeaders: Record<string, string>;
  close(): Promise<void>;
}

export async function startSite({ slices, sign, scripts: first = new Map() }: SiteOptions): Promise<Site> {
  const scripts = new Map(first);
  const uploads = await listen((req, res) => {
    if (!site.intercept?.(req, res)) void slices(req, res);
  });
  const page = await listen(async (req, res) => {
    const path = req.url?.split('?')[0];
    if (path === '/sign') {
      // A page that is left in the middle of asking needs no answer.
      const asked = await text(req).catch(() => undefined);
      if (asked === undefined) return;
      const signature = await sign(JSON.parse(asked));
      return void res.setHeader('Content-Type', 'application/json').end(JSON.stringify({ signature }));
    }
    for (const [name, value] of Object.entries(site.pageHeaders)) res.setHeader(name, value);
    const script = scripts.get(path ?? '');
    if (script !== undefined) {
      res.setHeader('Access-Control-Allow-Origin', '*');
      return void res.setHeader('Content-Type', 'text/javascript').end(script);
    }
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    const tag = path === '/' ? '<script src="/page.js"></script>' : '';
    res.end(`<!doctype html><title>test</title><input type="file" id="file">${tag}`);
  });
  const site: Site = {
    pageUrl: page.url,
    signUrl: `${page.url}/sign`,
    scripts,
    slicesUrl: uploads.url,
    intercept: undefined,
    pageHeaders: {},
    async close() {
      await page.close();
      await uploads.close();
    },
  };
  return site;
}

async function listen(handler: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
