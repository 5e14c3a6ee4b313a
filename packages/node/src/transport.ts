import { CosSliceError, type Transport, type WireRequest, type WireResponse } from '@cos-slice/core';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { encodeMultipart, type MultipartBody } from './multipart.ts';
import { toTransportError } from './transport-errors.ts';

const MAX_REPLY_BYTES = 64 * 1024 * 1024;

export interface UndiciTransportOptions {
  /**
   * Carries the requests: a `ProxyAgent`, an `Agent` with its own certificates. It is yours to close, and its connect timeout
   * is its own. Default: an agent that keeps connections alive for a few seconds and never keeps the process alive.
   */
  readonly dispatcher?: Dispatcher;
}

/** Sends requests with undici: slices go from their buffer to the socket without a copy, the signature in `Authorization`. */
export function createUndiciTransport(options: UndiciTransportOptions = {}): Transport<Uint8Array> {
  const agents = createAgents();
  let active = 0;
  return {
    reportsProgress: true,
    async send(request, context) {
      context.signal.throwIfAborted();
      active += 1;
      try {
        return await exchange(options.dispatcher ?? agents.get(context.connectMs), request, context);
      } finally {
        active -= 1;
        if (active === 0) agents.dropConnecting();
      }
    },
  };
}

type Context = Parameters<Transport<Uint8Array>['send']>[1];

function exchange(dispatcher: Dispatcher, request: WireRequest<Uint8Array>, context: Context): Promise<WireResponse> {
  const url = new URL(request.url);
  const { signal } = context;
  const body = request.method === 'POST' ? encodeMultipart(request) : undefined;
  return new Promise((resolve, reject) => {
    let settled = false;
    let controller: Dispatcher.DispatchController | undefined;
    let status = 0;
    let headers: Record<string, string | string[] | undefined> = {};
    let replyBytes = 0;
    const chunks: Uint8Array[] = [];

    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const onAbort = (): void => {
      fail(signal.reason);
      controller?.abort(ended);
    };
    signal.addEventListener('abort', onAbort, { once: true });

    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: requestHeaders(request, body),
        body: body === undefined ? null : asBody(body.pieces((bytes) => settled || context.onSent(bytes))),
        // The core times every attempt; undici's own timers would fire on a slice that waits behind a slow link.
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      {
        onRequestStart(started) {
          // Aborted while the connection was made: undici has no way to take a request back before this moment.
          if (settled) return started.abort(ended);
          controller = started;
          context.onConnected();
        },
        onResponseStart(_controller, statusCode, responseHeaders) {
          status = statusCode;
          headers = responseHeaders;
        },
        onResponseData(current, chunk) {
          replyBytes += chunk.length;
          if (replyBytes <= MAX_REPLY_BYTES) return void chunks.push(chunk);
          fail(
            new CosSliceError('bad-reply', `${url.host} sent a reply of more than 64 MiB: check the endpoint`, {
              httpStatus: status,
            }),
          );
          current.abort(ended);
        },
        onResponseEnd() {
          const text = new TextDecoder().decode(Buffer.concat(chunks));
          settle(() => resolve({ status, header: (name) => headerOf(headers, name), body: text }));
        },
        onResponseError(_controller, error) {
          fail(toTransportError(error, url));
        },
      },
    );
  });
}

/** What undici is given when an exchange ends early; nobody sees it. */
const ended = new Error('The exchange has ended');

function requestHeaders(request: WireRequest<Uint8Array>, body: MultipartBody | undefined): Record<string, string> {
  return {
    authorization: request.signature,
    ...(body && { 'content-type': body.contentType, 'content-length': String(body.contentLength) }),
  };
}

/** undici takes any iterable as a body and pulls the next piece when the socket has drained; its types do not say so. */
function asBody(pieces: Iterable<Uint8Array>): NonNullable<Dispatcher.RequestOptions['body']> {
  return pieces as unknown as Uint8Array;
}

function headerOf(headers: Record<string, string | string[] | undefined>, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return Array.isArray(value) ? value.join(', ') : value;
}

interface Agents {
  get(connectMs: number): Agent;
  /** Destroys connections that are being made and that nobody waits for, so that they do not keep the process alive. */
  dropConnecting(): void;
}

/** One agent per connect timeout, since undici has it per agent. Without a cap on connections: the limiter is the cap. */
function createAgents(): Agents {
  const agents = new Map<number, Agent>();
  const connecting = new Set<{ destroy(): void }>();
  return {
    get(connectMs) {
      let agent = agents.get(connectMs);
      if (agent === undefined) {
        const connect = buildConnector({ timeout: connectMs });
        agent = new Agent({
          pipelining: 1,
          connect(options, callback) {
            // The connector returns its socket, though its types do not say so.
            const socket = connect(options, (...result) => {
              if (socket) connecting.delete(socket);
              callback(...result);
            }) as unknown as { destroy(): void } | undefined;
            if (socket) connecting.add(socket);
          },
        });
        agents.set(connectMs, agent);
      }
      return agent;
    },
    dropConnecting() {
      for (const socket of connecting) socket.destroy();
      connecting.clear();
    },
  };
}
