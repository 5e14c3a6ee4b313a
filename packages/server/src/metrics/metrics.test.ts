import { expect, onTestFinished, test } from 'vitest';
import { post, send } from '../testing/client.ts';
import { startServer } from '../testing/server.ts';
import { createMetrics } from './metrics.ts';

test('what a server does is told on an address of its own', async () => {
  const metrics = createMetrics();
  const { urlOf, origin } = await startServer({ onRequest: metrics.onRequest });
  const { url } = await metrics.listen(0);
  onTestFinished(() => metrics.close());
  await post(urlOf('a'), { op: 'upload', filecontent: 'content' });
  await post(urlOf('a'), { op: 'upload', filecontent: 'other', insertOnly: 1 });
  await send(`${urlOf('a')}?op=${'x"y'.repeat(100)}`, { method: 'GET' });
  metrics.onCall({ method: 'PUT', status: 503, durationMs: 30, isRetried: true });

  const reply = await send(url, { method: 'GET' });
  expect([reply.status, reply.headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  const text = reply.body.toString();
  expect(text).toContain('cos_slice_requests_total{op="upload",status="200",code="0"} 1\n');
  expect(text).toContain('cos_slice_requests_total{op="upload",status="409",code="-177"} 1\n');
  expect(text).toMatch(/cos_slice_received_bytes_total\{op="upload"\} [1-9]\d+\n/);
  expect(text).toContain('cos_slice_request_seconds_bucket{op="upload",le="+Inf"} 2\n');
  expect(text).toContain('cos_slice_store_calls_total{method="PUT",status="503"} 1\n');
  expect(text).toContain('cos_slice_store_call_seconds_bucket{method="PUT",le="0.025"} 0\n');
  expect(text).toContain('cos_slice_store_call_seconds_bucket{method="PUT",le="0.1"} 1\n');
  expect(text).toContain('cos_slice_store_retries_total{method="PUT"} 1\n');
  expect(text).toMatch(/process_resident_memory_bytes [1-9]\d+\n/);
  // What clients make up is one series, and each line can be read.
  expect(text).toMatch(/op="other"/);
  for (const line of text.trim().split('\n')) expect(line).toMatch(/^(# (HELP|TYPE) .+|\w+(\{[^{}]*\})? [\d.e+-]+)$/);
  for (const [path, status] of [
    ['/', 404],
    ['/-/metrics', 200],
  ] as const) {
    expect((await send(new URL(path, url).href, { method: 'GET' })).status).toBe(status);
  }
  expect((await send(`${origin}/-/metrics`, { method: 'GET' })).status).not.toBe(200);
});
