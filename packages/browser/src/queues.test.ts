// Requests that wait where nobody sees it, signs of progress that never come, hints and clocks that are wrong.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CHROMIUMS } from '@cos-slice/testkit/chromium';
import { beforeEach, describe, expect, test } from 'vitest';
import { order, outcomeOf, page, run, setting, usePage } from './testing/use-page.ts';

const MIB = 1024 * 1024;
const SLICE = 2 * MIB;
/** Browsers' connections to one host. */
const CONNECTIONS = 6;
/** Much shorter than what is waited for in these tests. */
const SHORT = { timeouts: { connectMs: 2000, noProgressMs: 2000, responseMs: 2000 }, retry: { baseDelayMs: 10 } };
const PASS_ON = `
  addEventListener('install', () => skipWaiting());
  addEventListener('activate', (event) => event.waitUntil(clients.claim()));
  addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));
`;
/** A name of the public network, as far as the page can tell. */
const PUBLIC_HOST = 'upload.example.com';

describe.each(CHROMIUMS)('in $name', (chromium) => {
  usePage({ ...chromium, args: [`--host-resolver-rules=MAP ${PUBLIC_HOST} 127.0.0.1`] }, { '/pass-on.js': PASS_ON });

  const slices = (from: number): number =>
    setting.requests.slice(from).filter(({ op }) => op === 'upload_slice_data').length;
  /** Slices are taken in at once, and answered late. */
  const answerLate = (delayMs: number): void => {
    setting.intercept = (req: IncomingMessage, res: ServerResponse) => {
      if (Number(req.headers['content-length'] ?? 0) < SLICE) return false;
      const { end } = res;
      res.end = ((...args: Parameters<typeof end>) => {
        setTimeout(() => end.apply(res, args), delayMs);
        return res;
      }) as typeof end;
      return false;
    };
  };

  test('many uploads of a page have no more requests under way than there are connections', async () => {
    let underWay = 0;
    let most = 0;
    setting.intercept = (req, res) => {
      if (req.method !== 'POST') return false;
      underWay += 1;
      most = Math.max(most, underWay);
      // The page may know of an answer, and ask for the next thing, before the server hears that it has been sent.
      let isAnswered = false;
      const answered = (): void => {
        if (!isAnswered) underWay -= 1;
        isAnswered = true;
      };
      const { end } = res;
      res.end = ((...args: Parameters<typeof end>) => {
        answered();
        return end.apply(res, args);
      }) as typeof end;
      res.on('close', answered);
      return false;
    };
    await page.goto(setting.pageUrl);
    const orders = Array.from({ length: 60 }, (_, index) => order(`many/${index}.bin`, 100_000));
    const began = page.evaluate((all) => {
      for (const it of all) cosSlice.start(it);
      return Math.max(...all.map((it) => cosSlice.concurrency(it.path)));
    }, orders);
    expect(await began).toBeLessThanOrEqual(CONNECTIONS);
    const ends = orders.map(({ path }) => outcomeOf(path));
    expect((await Promise.all(ends)).filter(({ error }) => error)).toEqual([]);
    expect(most).toBeLessThanOrEqual(CONNECTIONS);
  });

  test.each(['xhr', 'fetch'] as const)('what waits for a connection is not late, by %s', async (transport) => {
    const streams: ServerResponse[] = [];
    setting.intercept = (req, res) => {
      if (req.url !== '/events') return false;
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Access-Control-Allow-Origin': '*' });
      res.write('data: hello\n\n');
      streams.push(res);
      return true;
    };
    await page.goto(setting.pageUrl);
    const { origin } = new URL(setting.endpoint);
    await page.evaluate(
      ([host, count]) => {
        Object.assign(globalThis, { streams: Array.from({ length: count }, () => new EventSource(`${host}/events`)) });
      },
      [origin, CONNECTIONS] as const,
    );
    while (streams.length < CONNECTIONS) await new Promise((resolve) => setTimeout(resolve, 10));
    const ended = run(
      order(`events-${transport}.bin`, 3 * SLICE, { options: { transport, timeouts: { connectMs: 100 } } }),
    );
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await page.evaluate(() => {
      for (const stream of Reflect.get(globalThis, 'streams')) stream.close();
    });
    expect((await ended).error).toBeUndefined();
  });

  test.each(['with', 'without'] as const)(
    'slow answers are waited for, %s a service worker that passes on',
    async (worker) => {
      await page.goto(setting.pageUrl);
      if (worker === 'with') {
        await page.evaluate(async () => {
          await navigator.serviceWorker.register('/pass-on.js');
          await navigator.serviceWorker.ready;
        });
        await page.reload();
        await page.waitForFunction(() => navigator.serviceWorker.controller);
      }
      answerLate(5000);
      const from = setting.requests.length;
      const one = order(`worker-${worker}.bin`, 6 * SLICE, { options: SHORT });
      expect((await run(one)).error).toBeUndefined();
      expect(slices(from)).toBe(6);
    },
  );

  test.each([-1, 2, 48])('a clock that is %i hours ahead costs no signatures', async (hours) => {
    await page.addInitScript((ahead) => {
      const { now } = Date;
      Date.now = () => now() + ahead * 3_600_000;
    }, hours);
    await page.goto(setting.pageUrl);
    const { error, progress } = await run(order(`clock-${hours}.bin`, 20 * SLICE));
    expect(error).toBeUndefined();
    expect(progress.signatures).toBeLessThanOrEqual(3);
  });

  test.each([-1, 1])('a clock that is set by %i hours in the middle of it stops no upload', async (hours) => {
    let count = 0;
    setting.intercept = (req) => {
      if (Number(req.headers['content-length'] ?? 0) < SLICE) return false;
      count += 1;
      if (count % 5 !== 0) return false;
      req.resume().on('end', () => req.socket.destroy());
      return true;
    };
    await page.goto(setting.pageUrl);
    const one = order(`clock-set-${hours}.bin`, 20 * SLICE);
    await page.evaluate((it) => cosSlice.start(it), one);
    await page.waitForFunction((path) => cosSlice.storedSlices(path) >= 3, one.path, { polling: 5 });
    await page.evaluate((by) => {
      const { now } = Date;
      Date.now = () => now() + by * 3_600_000;
    }, hours);
    expect((await outcomeOf(one.path)).error).toBeUndefined();
  });

  describe('where the browser says that it is offline, and is not', () => {
    beforeEach(async () => {
      await page.addInitScript(() => Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false }));
      await page.goto(setting.pageUrl);
    });

    test.each(['127.0.0.1', 'localhost'])('%s is reached at once', async (host) => {
      const endpoint = setting.endpoint.replace('127.0.0.1', host);
      const startedAtMs = performance.now();
      expect((await run(order(`near-${host}.bin`, 3 * SLICE, { endpoint }))).error).toBeUndefined();
      expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    });

    test.each(['none', 'sha1'] as const)('any other host is reached, too, with %s', async (integrity) => {
      const endpoint = setting.endpoint.replace('127.0.0.1', PUBLIC_HOST);
      const one = order(`far-${integrity}.bin`, 3 * SLICE, { endpoint, options: { integrity } });
      expect((await run(one)).error).toBeUndefined();
    });
  });
});
