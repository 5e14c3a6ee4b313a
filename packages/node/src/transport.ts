import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { TLSSocket } from 'node:tls';
import { urlToHttpOptions } from 'node:url';
import { CosSliceError, type Transport, type WireRequest, type WireResponse } from '@cos-slice/core';
import { encodeMultipart, type MultipartBody } from './multipart.ts';
import { createSteps, type Steps } from './steps.ts';
import { connectTimeout, toTransportError } from './transport-errors.ts';

const UTF_8 = new TextDecoder();
const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/** Less than servers usually allow idle connections, so that few are found closed. */
const IDLE_MS = 4_000;

export interface HttpTransportOptions {
  /** Makes the connections, with certificates of its own for example. It is yours to destroy. */
  readonly agent?: HttpAgent | HttpsAgent;
}

/**
 * Sends requests with node:http: slices go from their buffer to the socket without a copy, the signature in `Authorization`.
 * Idle connections are kept for a few seconds and never keep the process alive.
 */
export function createHttpTransport(options: HttpTransportOptions = {}): Transport<Uint8Array> {
  // Without a cap on connections: the limiter is the cap.
  const kept = { keepAlive: true, timeout: IDLE_MS };
  const http = options.agent ?? new HttpAgent(kept);
  const https = options.agent ?? new HttpsAgent(kept);
  const steps = createSteps();
  const locate = rememberLast((text) => {
    const url = new URL(text);
    const { protocol, hostname, port, path } = urlToHttpOptions(url);
    const [open, agent] = protocol === 'https:' ? [requestHttps, https] : [requestHttp, http];
    return { url, open, where: { protocol, hostname, port, path, agent } };
  });
  return {
    reportsProgress: true,
    async send(request, context) {
      context.signal.throwIfAborted();
      const { url, open, where } = locate(request.url);
      const { method } = request;
      const body = method === 'POST' ? encodeMultipart(request) : undefined;
      const headers = headersOf(url, request, body);
      return exchange(() => open({ ...where, method, headers }), url, body, steps, context);
    },
  };
}

/** An upload asks for the same URL again and again. */
function rememberLast<T>(make: (text: string) => T): (text: string) => T {
  let last: { readonly text: string; readonly made: T } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, made: make(text) };
    return last.made;
  };
}

type Context = Parameters<Transport<Uint8Array>['send']>[1];

function exchange(
  open: () => ClientRequest,
  url: URL,
  body: MultipartBody | undefined,
  steps: Steps,
  context: Context,
): Promise<WireResponse> {
  const { signal } = context;
  return new Promise((resolve, reject) => {
    let request: ClientRequest;
    try {
      request = open();
    } catch (error) {
      return reject(toTransportError(error, url));
    }
    let settled = false;
    let connectTimer: NodeJS.Timeout | undefined;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(connectTimer);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (error: CosSliceError): void => {
      settle(() => reject(error));
      request.destroy();
    };
    const onAbort = (): void => {
      settle(() => reject(signal.reason));
      request.destroy();
    };
    const connected = (): void => {
      clearTimeout(connectTimer);
      if (!settled) context.onConnected();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    request.on('error', (error) => fail(toTransportError(error, url)));
    request.on('socket', (socket) => {
      if (!socket.connecting) return connected();
      connectTimer = setTimeout(() => fail(connectTimeout(url)), context.connectMs);
      socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', connected);
    });
    request.on('response', (response) => {
      readReply(response, url, fail, (reply) => {
        settle(() => resolve(reply));
        // Answered before all was sent: the rest is of no use, and so is the connection.
        if (!request.destroyed && !request.writableFinished) request.destroy();
      });
    });
    if (body === undefined) request.end();
    else sendBody(request, body, steps, (sentBytes) => settled || context.onSent(sentBytes));
  });
}

/** What is written in one turn goes out in one system call, together with the headers: a slice in a single step does. */
function sendBody(
  request: ClientRequest,
  { head, content, tail }: MultipartBody,
  steps: Steps,
  onSent: (contentBytes: number) => void,
): void {
  request.write(head);
  if (content === undefined || content.length === 0) {
    request.end(tail);
    return;
  }
  const step = (start: number): void => {
    const end = Math.min(start + steps.bytes, content.length);
    const startedAtMs = performance.now();
    request.write(content.subarray(start, end), (error) => {
      if (error) return steps.brokeOff();
      steps.took(performance.now() - startedAtMs);
      onSent(end);
      if (end < content.length) step(end);
    });
    if (end === content.length) request.end(tail);
  };
  step(0);
}

function readReply(
  response: IncomingMessage,
  url: URL,
  fail: (error: CosSliceError) => void,
  done: (reply: WireResponse) => void,
): void {
  const { statusCode: status = 0, headers } = response;
  const chunks: Uint8Array[] = [];
  let replyBytes = 0;
  response.on('data', (chunk: Uint8Array) => {
    replyBytes += chunk.length;
    if (replyBytes <= MAX_REPLY_BYTES) return void chunks.push(chunk);
    const what = `${url.host} sent a reply of more than 64 MiB: check the endpoint`;
    fail(new CosSliceError('bad-reply', what, { httpStatus: status }));
  });
  response.on('error', (error) => fail(toTransportError(error, url)));
  response.on('end', () => {
    const [first] = chunks;
    const body = UTF_8.decode(chunks.length === 1 ? first : Buffer.concat(chunks));
    done({ status, header: (name) => textOf(headers[name.toLowerCase()]), body });
  });
}

/** As a list, which node:http sends as it is. */
function headersOf({ host }: URL, { signature }: WireRequest<Uint8Array>, body: MultipartBody | undefined): string[] {
  const headers = ['Host', host, 'Authorization', signature];
  if (body) headers.push('Content-Type', body.contentType, 'Content-Length', String(body.contentLength));
  return headers;
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
