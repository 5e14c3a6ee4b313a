import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One part of a form as it arrived. */
export interface ReflectedPart {
  readonly name: string;
  readonly filename?: string;
  readonly sizeBytes: number;
  readonly sha1: string;
  /** Whether byte i is `(i * 131 + (i >> 8) * 17 + 7) & 255`. */
  readonly pattern: boolean;
  /** Only of parts up to 64 KiB. */
  readonly text?: string;
}

export interface Reflection {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly bodyBytes: number;
  /** A body that is not a form is one part without a name. */
  readonly parts: ReflectedPart[];
}

export interface Reflector {
  /** Without a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A server that says what it was sent, or misbehaves as its path says. For transports, in Node.js and in browsers.
 *
 * - `/echo`: 200 and a `Reflection`
 * - `/status/<code>`: that status with the `Reflection`; `?retryAfter=` adds the header
 * - `/delay/<ms>`: like `/echo`, later
 * - `/text`: 502 and text that is not JSON; `/large/<bytes>`: 200 and that many spaces
 * - `/early/<code>`: answers before the body has come, then reads on; `/early-close/<code>`: closes instead
 * - `/stall`: reads all and never answers; `/stall-reading`: does not even read
 * - `/drop`: closes before the body is read; `/drop-reply`: closes instead of answering; `/cut-reply`: in the middle of it
 * - `/redirect`: 302 to `/echo`
 * - `/stats`: how many requests to other paths are open now; those that stall go on reading
 */
export async function startReflector(): Promise<Reflector> {
  const sockets = new Set<Socket>();
  let open = 0;
  const paused = new Set<IncomingMessage>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://reflector').pathname;
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After, X-Reflector');
    response.setHeader('X-Reflector', 'yes');
    if (request.method === 'OPTIONS') {
      response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type, X-Own');
      response.setHeader('Access-Control-Allow-Methods', 'GET, POST, PUT');
      response.setHeader('Access-Control-Max-Age', '600');
      response.writeHead(204).end();
    } else if (path === '/stats') {
      // A socket that is not read does not notice that the other side has closed it.
      for (const stalled of paused) stalled.resume();
      paused.clear();
      setTimeout(() => sendJson(response, 200, { open }), 10);
    } else {
      open += 1;
      response.once('close', () => {
        open -= 1;
      });
      if (path === '/stall-reading') paused.add(request.pause());
      else answer(request, response, path).catch(() => request.socket.destroy());
    }
  });
  server.keepAliveTimeout = 60_000;
  server.requestTimeout = 0;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const [, action = '', argument = ''] = path.split('/');
  const { socket } = request;
  const number = Number(argument);
  switch (action) {
    case 'status': {
      const retryAfter = new URL(request.url ?? '', 'http://reflector').searchParams.get('retryAfter');
      if (retryAfter) response.setHeader('Retry-After', retryAfter);
      return sendJson(response, number, await reflect(request));
    }
    case 'delay': {
      const reflection = await reflect(request);
      await new Promise((resolve) => setTimeout(resolve, number));
      return sendJson(response, 200, reflection);
    }
    case 'text':
      await readAll(request);
      response.writeHead(502, { 'Content-Type': 'text/html; charset=utf-8' }).end('<h1>Bad gateway – 网关</h1>');
      return;
    case 'large': {
      await readAll(request);
      response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': argument });
      const chunk = Buffer.alloc(1024 * 1024, ' ');
      for (let left = number; left > 0 && !socket.destroyed; left -= chunk.length) {
        if (!response.write(chunk.subarray(0, left))) await drained(response);
      }
      response.end();
      return;
    }
    case 'early':
      sendJson(response, number, { early: true });
      request.resume();
      return;
    case 'early-close':
      response.setHeader('Connection', 'close');
      sendJson(response, number, { early: true });
      return;
    case 'stall':
      await readAll(request);
      return;
    case 'drop':
      socket.destroy();
      return;
    case 'drop-reply':
      await readAll(request);
      socket.destroy();
      return;
    case 'cut-reply':
      await readAll(request);
      response.writeHead(200, { 'Content-Length': '1000' }).write('{"code":');
      setTimeout(() => socket.destroy(), 20);
      return;
    case 'redirect':
      await readAll(request);
      response.writeHead(302, { Location: '/echo' }).end();
      return;
    default:
      sendJson(response, 200, await reflect(request));
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function reflect(request: IncomingMessage): Promise<Reflection> {
  const body = await readAll(request);
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  return {
    method: request.method ?? '',
    url: request.url ?? '',
    headers: request.headers,
    bodyBytes: body.length,
    parts: boundary === undefined ? [describe('', body)] : parseForm(body, boundary),
  };
}

function describe(name: string, content: Buffer): ReflectedPart {
  return {
    name,
    sizeBytes: content.length,
    sha1: createHash('sha1').update(content).digest('hex'),
    pattern: content.every((byte, index) => byte === ((index * 131 + (index >> 8) * 17 + 7) & 255)),
    ...(content.length <= 65_536 && { text: content.toString('utf8') }),
  };
}

/** Strict: what a lenient parser forgives is what a transport must not do. */
function parseForm(body: Buffer, boundary: string): ReflectedPart[] {
  const parts: ReflectedPart[] = [];
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  let at = delimiter.length - 2;
  if (body.indexOf(delimiter.subarray(2)) !== 0) throw new Error('The form does not begin with its boundary');
  while (body.toString('latin1', at, at + 2) === '\r\n') {
    const headerEnd = body.indexOf('\r\n\r\n', at);
    const end = body.indexOf(delimiter, headerEnd + 2);
    if (headerEnd < 0 || end < 0) throw new Error('A part has no end');
    const header = body.toString('utf8', at + 2, headerEnd);
    const name = /[ ;]name="([^"]*)"/i.exec(header)?.[1];
    if (name === undefined) throw new Error(`A part has no name: ${header}`);
    const filename = /[ ;]filename="([^"]*)"/i.exec(header)?.[1];
    const content = body.subarray(headerEnd + 4, end);
    parts.push({ ...describe(name, content), ...(filename !== undefined && { filename }) });
    at = end + delimiter.length;
  }
  if (body.toString('latin1', at, at + 4) !== '--\r\n' || at + 4 !== body.length) {
    throw new Error('The form does not end with its closing boundary');
  }
  return parts;
}
