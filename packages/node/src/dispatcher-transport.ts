import { CosSliceError, type SendContext, type Transport, type WireRequest, type WireResponse } from '@cos-slice/core';
import type { Dispatcher } from 'undici';
import { type Body, encodeBody } from './body.ts';
import { type Content, isLarge, type LargeContent } from './content.ts';
import { receiveThrough } from './receive-response.ts';
import { isBroken, toTransportError } from './transport-errors.ts';
import { isOutOfFiles, RETRY_MS } from './waiting.ts';

const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/** Large enough to cost little, small enough that progress is told within a slice. */
const STEP_BYTES = 256 * 1024;

export interface DispatcherTransportOptions {
  /** Host and port of the proxy that the dispatcher goes through, for messages. */
  readonly via?: string;
}

/**
 * Sends requests through a dispatcher of undici, of version 7 or of another one: a `ProxyAgent`, an `Agent` with certificates
 * or connections of its own, with interceptors. It is the caller's to close, and its connect timeout is its own. Without one,
 * `uploadFile` sends with node:http, which takes less CPU.
 */
export function createDispatcherTransport(
  dispatcher: Dispatcher,
  options: DispatcherTransportOptions = {},
): Transport<Content> {
  return {
    reportsProgress: true,
    // It may have fewer connections than there are requests.
    queues: true,
    async receive(request, context) {
      context.signal.throwIfAborted();
      const url = new URL(request.url);
      return receiveThrough(dispatcher, url, headersOf(request, undefined), context, options.via);
    },
    async send(request, context) {
      context.signal.throwIfAborted();
      return exchange(dispatcher, request, context, options);
    },
  };
}

function exchange(
  dispatcher: Dispatcher,
  request: WireRequest<Content>,
  context: SendContext,
  { via }: DispatcherTransportOptions,
): Promise<WireResponse> {
  const url = new URL(request.url);
  const { signal } = context;
  const body = encodeBody(request);
  return new Promise((resolve, reject) => {
    let settled = false;
    let abort: (() => void) | undefined;
    let status = 0;
    let headers: Headers = {};
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
      abort?.();
    };
    signal.addEventListener('abort', onAbort, { once: true });

    const giveUpAtMs = performance.now() + context.connectMs;
    const handler = createHandler({
      onStart(stop) {
        // Aborted while the connection was made: undici has no way to take a request back before this moment.
        if (settled) return stop();
        abort = stop;
        context.onConnected();
      },
      onHeaders(statusCode, responseHeaders) {
        status = statusCode;
        headers = responseHeaders;
      },
      onData(chunk) {
        replyBytes += chunk.length;
        if (replyBytes <= MAX_REPLY_BYTES) return void chunks.push(chunk);
        const what = `${url.host} sent a reply of more than 64 MiB: check the endpoint`;
        fail(new CosSliceError('bad-reply', what, { httpStatus: status }));
        abort?.();
      },
      onEnd() {
        const text = new TextDecoder().decode(Buffer.concat(chunks));
        settle(() => resolve({ status, header: (name) => textOf(headers[name.toLowerCase()]), body: text }));
      },
      onFailed(error) {
        if (isOutOfFiles(error) && performance.now() < giveUpAtMs) {
          setTimeout(() => settled || dispatch(), RETRY_MS);
          return;
        }
        // The socket has brought replies before, and none to this request.
        const { bytesRead = 0 } = (error as { socket?: { bytesRead?: number } }).socket ?? {};
        const stale = isBroken(error) && bytesRead > 0 && status === 0;
        fail(toTransportError(error, url, { stale, via }));
      },
    });
    const dispatch = (): void => {
      try {
        dispatcher.dispatch(
          {
            origin: url.origin,
            path: url.pathname + url.search,
            method: request.method as Dispatcher.HttpMethod,
            headers: headersOf(request, body),
            body: body === undefined ? null : asBody(cutBody(body, (bytes) => settled || context.onSent(bytes))),
            // The core times every attempt; undici's own timers would fire on a slice that waits behind a slow link.
            headersTimeout: 0,
            bodyTimeout: 0,
          },
          handler,
        );
      } catch (error) {
        fail(incompatible(error));
      }
    };
    dispatch();
  });
}

function headersOf(request: WireRequest<Content>, body: Body | undefined): Record<string, string> {
  const { authorization, headers } = request;
  return {
    ...(authorization && { authorization: authorization.value }),
    ...headers,
    ...(body?.contentType !== undefined && { 'content-type': body.contentType }),
    ...(body && { 'content-length': String(body.contentLength) }),
  };
}

type Headers = Record<string, string | string[] | undefined>;

/** What a request hears, whatever version of undici tells it. */
interface Listener {
  onStart(abort: () => void): void;
  onHeaders(status: number, headers: Headers): void;
  onData(chunk: Uint8Array): void;
  onEnd(): void;
  onFailed(error: Error): void;
}

/** What undici is given when an exchange ends early; nobody sees it. */
const ENDED = new Error('The exchange has ended');

/** A handler with the methods of undici 7 and later and, for dispatchers of older ones, those that came before. */
function createHandler(listener: Listener): Dispatcher.DispatchHandler {
  const current: Dispatcher.DispatchHandler = {
    onRequestStart: (controller) => listener.onStart(() => controller.abort(ENDED)),
    onResponseStart: (_controller, status, headers) => listener.onHeaders(status, headers),
    onResponseData: (_controller, chunk) => listener.onData(chunk),
    onResponseEnd: () => listener.onEnd(),
    onResponseError: (_controller, error) => listener.onFailed(error),
  };
  const older = {
    onConnect: (abort: (reason: Error) => void) => listener.onStart(() => abort(ENDED)),
    onHeaders(status: number, raw: readonly Buffer[]) {
      // Informational ones are not the reply.
      if (status >= 200) listener.onHeaders(status, fromPairs(raw));
      return true;
    },
    onData(chunk: Uint8Array) {
      listener.onData(chunk);
      return true;
    },
    onComplete: () => listener.onEnd(),
    onError: (error: Error) => listener.onFailed(error),
  };
  return { ...older, ...current };
}

function fromPairs(raw: readonly Buffer[]): Headers {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < raw.length; index += 2) {
    headers[String(raw[index]).toLowerCase()] = String(raw[index + 1]);
  }
  return headers;
}

function incompatible(cause: unknown): CosSliceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const issue = { option: 'dispatcher', message: `cannot send (${why}): give one of undici 7` };
  return new CosSliceError('invalid-options', `invalid options: dispatcher ${issue.message}`, {
    cause,
    issues: [issue],
  });
}

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** `onTaken` hears how much was taken when the next piece is asked for. */
function cutBody({ head, content, tail }: Body, onTaken: (bytes: number) => void): Pieces {
  return content && isLarge(content)
    ? readPieces(head, content, tail, onTaken)
    : cutPieces(head, content, tail, onTaken);
}

/** Views, never copies. */
function* cutPieces(
  head: Uint8Array,
  content: Uint8Array | undefined,
  tail: Uint8Array,
  onTaken: (bytes: number) => void,
): Iterable<Uint8Array> {
  yield head;
  for (let start = 0; content !== undefined && start < content.length; start += STEP_BYTES) {
    const end = Math.min(start + STEP_BYTES, content.length);
    yield content.subarray(start, end);
    onTaken(end);
  }
  yield tail;
}

/** Each piece has memory of its own: how many undici holds at once is its affair. */
async function* readPieces(
  head: Uint8Array,
  content: LargeContent,
  tail: Uint8Array,
  onTaken: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
  yield head;
  for (let start = 0; start < content.length; start += STEP_BYTES) {
    const piece = new Uint8Array(Math.min(STEP_BYTES, content.length - start));
    await content.read(piece, start);
    yield piece;
    onTaken(start + piece.length);
  }
  yield tail;
}

/** undici takes any iterable as a body and pulls the next piece when the socket has drained; its types do not say so. */
function asBody(pieces: Pieces): NonNullable<Dispatcher.RequestOptions['body']> {
  return pieces as unknown as Uint8Array;
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
