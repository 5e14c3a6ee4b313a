import type { IncomingMessage, ServerResponse } from 'node:http';
import { splitUrl } from './address.ts';
import { commonHeaders } from './reply.ts';

/** What load balancers and orchestrators ask; none of them can be the address of an object. */
const PATHS: ReadonlySet<string> = new Set(['/', '/-/healthy', '/-/ready']);

/**
 * Answers a probe: 200 without a signature. `/-/ready` says 503 once the server has been told to stop, so that no new work is
 * sent its way. False when the request is something else.
 */
export function answerProbe(req: IncomingMessage, res: ServerResponse, nowMs: number, isStopping: boolean): boolean {
  if (req.method !== 'GET' && req.method !== 'HEAD') return false;
  const { path } = splitUrl(req.url);
  if (!PATHS.has(path)) return false;
  const isUnready = isStopping && path === '/-/ready';
  res.writeHead(isUnready ? 503 : 200, {
    ...commonHeaders(nowMs),
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
  });
  res.end(isUnready ? 'stopping\n' : 'ok\n');
  return true;
}
