import { CosSliceError, type Transport, type WireRequest, type WireResponse } from '@cos-slice/core';
import type { Dispatcher } from 'undici';
import { encodeMultipart, type MultipartBody } from './multipart.ts';
import { connectTimeout, toTransportError } from './transport-errors.ts';

const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/** Large enough to cost little, small enough that progress is told within a slice. */
const STEP_BYTES = 256 * 1024;

/**
 * Sends requests through a dispatcher of undici: a `ProxyAgent`, an `Agent` with certificates or connections of its own, with
 * interceptors. It is the caller's to close, and its connect timeout is its own. Without one, `uploadFile` sends with
 * node:http, which takes less CPU.
 */
export function createDispatcherTransport(dispatcher: Dispatcher): Transport<Uint8Array> {
  return {
    reportsProgress: true,
    async send(request, context) {
      context.signal.throwIfAborted();
      return exchange(dispatcher, request, context);
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
      controller?.abort(ENDED);
    };
    signal.addEventListener('abort', onAbort, { once: true });

    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: {
          authorization: request.signature,
          ...(body && { 'content-type': body.contentType, 'content-length': String(body.contentLength) }),
        },
        body: body === undefined ? null : asBody(piecesOf(body, (bytes) => settled || context.onSent(bytes))),
        // The core times every attempt; undici's own timers would fire on a slice that waits behind a slow link.
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      {
        onRequestStart(started) {
          // Aborted while the connection was made: undici has no way to take a request back before this moment.
          if (settled) return started.abort(ENDED);
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
          const what = `${url.host} sent a reply of more than 64 MiB: check the endpoint`;
          fail(new CosSliceError('bad-reply', what, { httpStatus: status }));
          current.abort(ENDED);
        },
        onResponseEnd() {
          const text = new TextDecoder().decode(Buffer.concat(chunks));
          settle(() => resolve({ status, header: (name) => textOf(headers[name.toLowerCase()]), body: text }));
        },
        onResponseError(_controller, error) {
          fail(toError(error, url));
        },
      },
    );
  });
}

/** What undici is given when an exchange ends early; nobody sees it. */
const ENDED = new Error('The exchange has ended');

/** The content's pieces are views, never copies. `onTaken` hears how much was taken when the next piece is asked for. */
function* piecesOf({ head, content, tail }: MultipartBody, onTaken: (bytes: number) => void): Iterable<Uint8Array> {
  yield head;
  for (let start = 0; content !== undefined && start < content.length; start += STEP_BYTES) {
    const end = Math.min(start + STEP_BYTES, content.length);
    yield content.subarray(start, end);
    onTaken(end);
  }
  yield tail;
}

/** undici takes any iterable as a body and pulls the next piece when the socket has drained; its types do not say so. */
function asBody(pieces: Iterable<Uint8Array>): NonNullable<Dispatcher.RequestOptions['body']> {
  return pieces as unknown as Uint8Array;
}

function toError(error: Error, url: URL): CosSliceError {
  const { code } = error as { code?: unknown };
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return connectTimeout(url);
  return toTransportError(error, url);
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
