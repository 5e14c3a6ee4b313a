import { createServer, type Server } from 'node:http';

/** Longer than clients and proxies keep idle connections, so that they are the ones to close them. */
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 60_000;

/**
 * A server whose connections all come to an end: bodies and downloads have watches of their own, which allow them any time
 * as long as they move.
 *
 * @param headersMs for a request's headers, and for a new connection to send the first of them; half as much may go by until
 *   it is noticed
 */
export function createHttpServer(headersMs: number = HEADERS_MS): Server {
  return createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: 0,
    // Would be none, too, if it were not said.
    headersTimeout: headersMs,
    connectionsCheckingInterval: headersMs / 2,
  });
}
