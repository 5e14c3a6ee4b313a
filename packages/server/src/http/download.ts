import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { ProtocolError } from '../protocol/codes.ts';
import type { ObjectInfo, Store, Target } from '../store/store.ts';
import { contentHeaders } from './content-type.ts';
import { readRangeHeader } from './range.ts';
import { commonHeaders } from './reply.ts';

/** A client that takes nothing for this long is given up. */
const IDLE_MS = 60_000;

/**
 * Sends a stored file, or the part of it that Range asks for.
 *
 * @throws ProtocolError -197 when there is none, Error when the connection broke or had to be cut
 */
export async function sendObject(
  req: IncomingMessage,
  res: ServerResponse,
  store: Store,
  target: Target,
  nowMs: number,
  idleMs: number = IDLE_MS,
): Promise<void> {
  const object = await store.openObject(target);
  if (!object) throw new ProtocolError('notFound');
  try {
    const { sizeBytes, modifiedAtMs } = object.info;
    const etag = etagOf(object.info);
    const headers = {
      ...commonHeaders(nowMs),
      ...contentHeaders(target.path),
      ETag: etag,
      'Last-Modified': new Date(modifiedAtMs).toUTCString(),
      'Accept-Ranges': 'bytes',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'none'; sandbox",
    };
    if (req.headers['if-none-match'] === etag) {
      res.writeHead(304, headers).end();
      return;
    }
    const ifRange = req.headers['if-range'];
    const range = readRangeHeader(ifRange === undefined || ifRange === etag ? req.headers.range : undefined, sizeBytes);
    if (range === 'unsatisfiable') {
      res.writeHead(416, { ...headers, 'Content-Range': `bytes */${sizeBytes}`, 'Content-Length': 0 }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
    res.writeHead(range ? 206 : 200, {
      ...headers,
      'Content-Length': end - start + 1,
      ...(range && { 'Content-Range': `bytes ${start}-${end}/${sizeBytes}` }),
    });
    res.setTimeout(idleMs, () => res.destroy());
    if (req.method === 'HEAD' || end < start) res.end();
    else await pipeline(object.stream(start, end), res);
  } finally {
    await object.close().catch(() => {});
  }
}

function etagOf(info: ObjectInfo): string {
  return `"${info.sha ?? info.revision}"`;
}
