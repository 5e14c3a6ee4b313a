import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProtocolError } from '../protocol/codes.ts';
import type { ObjectInfo, OpenObject, Store, Target } from '../store/store.ts';
import { contentHeaders } from './content-type.ts';
import { IDLE_MS, sendPiece, watchOutflow } from './outflow.ts';
import { readRangeHeader } from './range.ts';
import { commonHeaders } from './reply.ts';

/**
 * Sends a stored file, or the part of it that Range asks for.
 *
 * @param checkAccess throws when the client may not read it, or not even learn that there is none
 * @throws ProtocolError -197 when there is none; Error when the connection broke, or has to be cut because less came than
 *   was announced
 */
export async function sendObject(
  req: IncomingMessage,
  res: ServerResponse,
  store: Store,
  target: Target,
  nowMs: number,
  checkAccess: (info: ObjectInfo | undefined) => void,
  idleMs: number = IDLE_MS,
): Promise<void> {
  const object = await store.openObject(target).catch((error) => {
    // Why it cannot be read is not for everybody either.
    checkAccess(undefined);
    throw error;
  });
  try {
    checkAccess(object?.info);
    if (!object) throw new ProtocolError('notFound');
    const { sizeBytes, modifiedAtMs } = object.info;
    const etag = etagOf(object.info);
    const headers = {
      ...commonHeaders(nowMs, Object.keys(object.info.headers ?? {})),
      ...contentHeaders(target.path),
      ...encodeHeaders(object.info.headers),
      ETag: etag,
      'Last-Modified': new Date(modifiedAtMs).toUTCString(),
      'Accept-Ranges': 'bytes',
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
    watchOutflow(res, idleMs);
    if (req.method !== 'HEAD') await sendBytes(res, object, start, end, idleMs);
    res.end();
  } finally {
    await object?.close().catch(() => {});
  }
}

async function sendBytes(
  res: ServerResponse,
  object: OpenObject,
  start: number,
  end: number,
  idleMs: number,
): Promise<void> {
  let missing = end - start + 1;
  if (missing === 0) return;
  for await (const chunk of object.stream(start, end)) {
    missing -= chunk.length;
    await sendPiece(res, chunk as Buffer, idleMs);
  }
  // What comes next on the connection would be taken for the rest.
  if (missing > 0) throw new Error(`the file ended ${missing} bytes early`);
}

/** On the wire a character of a header is a byte. */
function encodeHeaders(headers: ObjectInfo['headers'] = {}): Record<string, string> {
  const encoded = Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]);
  return Object.fromEntries(encoded);
}

function etagOf(info: ObjectInfo): string {
  return `"${info.sha ?? info.revision}"`;
}
