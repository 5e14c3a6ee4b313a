import type { IncomingMessage, ServerResponse } from 'node:http';
import { type BucketHosts, bucketOfHost, splitUrl } from './address.ts';
import { commonHeaders } from './reply.ts';

/** What load balancers and orchestrators ask; but for `/` they are addresses of objects at the host of a bucket. */
const PATHS: ReadonlySet<string> = new Set(['/', '/-/healthy', '/-/ready']);

/**
 * Answers a probe: 200 without a signature. `/-/ready` says 503 once the server has been told to stop, so that no new work is
 * sent its way. False when the request is something else.
 */
export function answerProbe(
  req: IncomingMessage,
  res: ServerResponse,
  { nowMs, isStopping, hosts }: { readonly nowMs: number; readonly isStopping: boolean; readonly hosts: BucketHosts },
): boolean {
  if (req.method !== 'GET' && req.method !== 'HEAD') return false;
  const { path } = splitUrl(req.url);
  if (!PATHS.has(path) || (path !== '/' && bucketOfHost(req, hosts))) return false;
  const isUnready = isStopping && path === '/-/ready';
  res.writeHead(isUnready ? 503 : 200, {
    ...commonHeaders(nowMs),
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
  });
  res.end(isUnready ? 'stopping\n' : 'ok\n');
  return true;
}
