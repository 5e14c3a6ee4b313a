import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';

/** Longer than clients and proxies keep idle connections, so that they are the ones to close them. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;
/** The first byte of a TLS handshake. */
const TLS_HANDSHAKE = 0x16;

export interface ListenerOptions {
  /**
   * For a request's headers, and for a new connection to send the first of them; half as much may go by until it is noticed.
   * Default a minute.
   */
  readonly headersMs?: number;
  readonly maxConnections?: number;
  /** Of these, from one address. */
  readonly maxPerAddress?: number;
  /** Told what came instead of a request, and the status it was answered with. */
  onBroken?(problem: Error, status: number): void;
}

/**
 * A server whose connections all come to an end: bodies and replies have watches of their own, which allow them any time as
 * long as they move.
 */
export function createHttpServer({
  headersMs = HEADERS_MS,
  maxConnections,
  maxPerAddress,
  onBroken,
}: ListenerOptions = {}): Server {
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: 0,
    // Would be none, too, if it were not said.
    headersTimeout: headersMs,
    connectionsCheckingInterval: headersMs / 2,
  });
  if (maxConnections !== undefined) server.maxConnections = maxConnections;
  if (maxPerAddress !== undefined) limitAddresses(server, maxPerAddress);
  server.on('clientError', (error: ParseError, socket: BusySocket) => {
    // In the middle of a request there is nothing to say that could be told from its reply.
    if (!socket.writable || socket._httpMessage || error.code === 'ECONNRESET') return void socket.destroy();
    const [status, reason, message] = whatCame(error);
    if (status !== 408) onBroken?.(new Error(message), status);
    const body = JSON.stringify({ code: -5999, message: `ERROR_BAD_PARAMETER: ${message}` });
    const headers = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close`;
    socket.write(`HTTP/1.1 ${status} ${reason}\r\n${headers}\r\n\r\n${body}`);
    socket.destroySoon();
  });
  return server;
}

/** Leaves room for others: one address that takes all connections there are would keep everybody else out. */
function limitAddresses(server: Server, most: number): void {
  const counts = new Map<string, number>();
  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left > 0) counts.set(address, left);
      else counts.delete(address);
    });
    if (count > most) socket.destroy();
  });
}

export function startListening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

type ParseError = Error & { readonly code?: string; readonly rawPacket?: Uint8Array };
/** Node's own way of telling whether a request of this connection is being answered. */
type BusySocket = Socket & { readonly _httpMessage?: object | null };

function whatCame({ code, rawPacket, message }: ParseError): [status: number, reason: string, message: string] {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'Request Timeout', 'the request took too long to arrive'];
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'Request Header Fields Too Large', 'the headers are too long'];
  if (rawPacket?.[0] === TLS_HANDSHAKE) {
    return [
      400,
      'Bad Request',
      'a TLS handshake came, but this port speaks plain HTTP: use http://, or a proxy that ends TLS',
    ];
  }
  return [400, 'Bad Request', `this is no HTTP request (${code ?? message})`];
}
