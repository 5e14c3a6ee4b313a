import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isOperation } from '../operations/operations.ts';
import type { RequestInfo } from '../options.ts';
import type { S3CallInfo } from '../store/s3/client.ts';
import { createCounter, createHistogram, gauge } from './prometheus.ts';

/** Counts what a server does, for Prometheus. */
export interface Metrics {
  /** For the server's `onRequest`. */
  onRequest(info: RequestInfo): void;
  /** For the `onCall` of an `s3Store`. */
  onCall(info: S3CallInfo): void;
  /** All of it in Prometheus' text format. */
  text(): string;
  /**
   * Answers `GET /-/metrics` on an address of its own, which clients need not reach.
   *
   * @throws what listening throws
   */
  listen(port: number, host?: string): Promise<{ url: string }>;
  close(): Promise<void>;
}

export function createMetrics(): Metrics {
  const requests = createCounter('cos_slice_requests_total', 'Requests answered, by operation, HTTP status and code.');
  const durations = createHistogram('cos_slice_request_seconds', 'How long requests took, by operation.');
  const received = createCounter('cos_slice_received_bytes_total', 'Bytes of request bodies read, by operation.');
  const calls = createCounter(
    'cos_slice_store_calls_total',
    'Requests to the object store, by method and HTTP status.',
  );
  const callDurations = createHistogram('cos_slice_store_call_seconds', 'How long those took, by method.');
  const retries = createCounter('cos_slice_store_retries_total', 'Requests to the object store that were sent again.');
  let server: Server | undefined;

  function text(): string {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return [
      ...[requests, durations, received, calls, callDurations, retries].map((metric) => metric.text()),
      gauge('process_resident_memory_bytes', 'Memory of the process.', rss),
      gauge('nodejs_heap_size_used_bytes', 'Of that, what is used for objects.', heapUsed),
      gauge('process_cpu_seconds_total', 'Processor time of the process.', (user + system) / 1e6, 'counter'),
      gauge('process_start_time_seconds', 'When it started, in epoch seconds.', Date.now() / 1000 - process.uptime()),
    ].join('');
  }

  return {
    onRequest({ method, op, status, code, bytes, durationMs }) {
      // Clients can write anything for an operation, and each value costs memory here.
      const name = op === undefined ? (/^(GET|HEAD|OPTIONS)$/.test(method) ? method : 'none') : op;
      const labels = { op: op === undefined || isOperation(op) ? name : 'other' };
      requests.add(1, { ...labels, status, code });
      received.add(bytes, labels);
      durations.observe(durationMs / 1000, labels);
    },
    onCall({ method, status, durationMs, isRetried }) {
      calls.add(1, { method, status });
      callDurations.observe(durationMs / 1000, { method });
      if (isRetried) retries.add(1, { method });
    },
    text,
    async listen(port, host = '127.0.0.1') {
      const listening = createServer((req, res) => {
        req.resume();
        if (req.method !== 'GET' || req.url?.split('?')[0] !== '/-/metrics') return void res.writeHead(404).end();
        res.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text());
      });
      server = listening;
      await new Promise<void>((resolve, reject) => {
        listening.once('error', reject);
        listening.listen(port, host.replace(/^\[(.*)\]$/, '$1'), resolve);
      });
      const { port: bound } = listening.address() as AddressInfo;
      return { url: `http://${host}:${bound}/-/metrics` };
    },
    async close() {
      server?.close();
      server?.closeAllConnections();
    },
  };
}
