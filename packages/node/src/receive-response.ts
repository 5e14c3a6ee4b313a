import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { ReceiveContext, StreamedResponse } from '@cos-slice/core';
import type { Dispatcher } from 'undici';
import { timeConnection } from './connecting.ts';
import { connectTimeout, toTransportError } from './transport-errors.ts';

/** Sends a request without a body with node:http, and resolves with the head of its response. */
export function receiveResponse(
  start: () => ClientRequest,
  url: URL,
  { signal, connectMs }: ReceiveContext,
): Promise<StreamedResponse> {
  return new Promise((resolve, reject) => {
    let request: ClientRequest;
    try {
      request = start();
    } catch (error) {
      return reject(toTransportError(error, url));
    }
    const late = (): void => fail(connectTimeout(url.host));
    const endTiming = timeConnection(request, connectMs, () => {}, late);
    const onAbort = (): void => fail(signal.reason);
    const fail = (error: unknown): void => {
      settle();
      reject(error);
      request.destroy();
    };
    const settle = (): void => {
      endTiming();
      signal.removeEventListener('abort', onAbort);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    request.on('error', (error) => fail(toTransportError(error, url, { stale: request.reusedSocket })));
    request.on('response', (response) => {
      settle();
      // From here on its own stream tells how it ends.
      request.removeAllListeners('error').on('error', () => {});
      resolve(streamed(response, url, signal, response.statusCode ?? 0, response.headers));
    });
    request.end();
  });
}

/** The same, through a dispatcher of undici. */
export async function receiveThrough(
  dispatcher: Dispatcher,
  url: URL,
  headers: Record<string, string>,
  { signal }: ReceiveContext,
  via: string | undefined,
): Promise<StreamedResponse> {
  try {
    const response = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers,
      signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return streamed(response.body, url, signal, response.statusCode, response.headers, via);
  } catch (error) {
    signal.throwIfAborted();
    throw toTransportError(error, url, { via });
  }
}

function streamed(
  body: Readable,
  url: URL,
  signal: AbortSignal,
  status: number,
  headers: IncomingMessage['headers'],
  via?: string,
): StreamedResponse {
  // Whether it is read or not.
  const stop = (): void => void body.destroy();
  signal.addEventListener('abort', stop, { once: true });
  body.once('close', () => signal.removeEventListener('abort', stop));
  body.on('error', () => {});
  if (signal.aborted) stop();
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      signal.throwIfAborted();
      yield* body;
      signal.throwIfAborted();
    } catch (error) {
      signal.throwIfAborted();
      throw toTransportError(error, url, { via });
    } finally {
      body.destroy();
    }
  }
  return {
    status,
    header(name) {
      const value = headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: chunks(),
  };
}
