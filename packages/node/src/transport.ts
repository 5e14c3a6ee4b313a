import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { CosSliceError, type SendContext, type Transport, type WireRequest, type WireResponse } from '@cos-slice/core';
import { type Body, encodeBody } from './body.ts';
import { timeConnection } from './connecting.ts';
import { type Content, isLarge } from './content.ts';
import { createReach } from './reach.ts';
import { receiveResponse } from './receive-response.ts';
import { createSteps, type Steps } from './steps.ts';
import { connectTimeout, isBroken, toTransportError } from './transport-errors.ts';

const UTF_8 = new TextDecoder();
const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/** Less than servers usually allow idle connections, so that few are found closed. */
const IDLE_MS = 4_000;
/** A server that does not know `Expect` gets the body after this time. */
const EXPECT_MS = 1_000;

export interface HttpTransportOptions {
  /** Makes the connections, with certificates of its own for example. It is yours to destroy. */
  readonly agent?: HttpAgent | HttpsAgent;
}

/**
 * Sends requests with node:http: slices go from their buffer to the socket without a copy, large ones piece by piece from their
 * file; the signature is in `Authorization`. Idle connections are kept for a few seconds and never keep the process alive.
 */
export function createHttpTransport(options: HttpTransportOptions = {}): Transport<Content> {
  // Without a cap on connections: the limiter is the cap.
  const kept = { keepAlive: true, timeout: IDLE_MS };
  const http = options.agent ?? new HttpAgent(kept);
  const https = options.agent ?? new HttpsAgent(kept);
  const steps = createSteps();
  const reach = createReach();
  /** Hosts that broke a connection off while a body was on its way, unheard: they are asked before the next one is sent. */
  const wary = new Set<string>();
  const locate = rememberLast((text) => {
    const url = new URL(text);
    const { protocol, hostname, port, path } = urlToHttpOptions(url);
    const [open, agent] = protocol === 'https:' ? [requestHttps, https] : [requestHttp, http];
    return { url, open, where: { protocol, hostname, port, path, agent } };
  });
  return {
    reportsProgress: true,
    paces: true,
    // It may have fewer connections than there are requests.
    queues: options.agent !== undefined,
    async receive(request, context) {
      context.signal.throwIfAborted();
      const { url, open, where } = locate(request.url);
      const headers = headersOf(url, request, undefined, false);
      return reach(context, (times, connectMs) => {
        const start = (): ClientRequest => open({ ...where, method: request.method, headers, ...times });
        return receiveResponse(start, url, { ...context, connectMs });
      });
    },
    async send(request, context) {
      context.signal.throwIfAborted();
      const { url, open, where } = locate(request.url);
      const { method } = request;
      const body = encodeBody(request);
      const asksFirst = body?.content !== undefined && wary.has(url.host);
      const headers = headersOf(url, request, body, asksFirst);
      return reach(context, async (times, connectMs) => {
        const start = (): ClientRequest => open({ ...where, method, headers, ...times });
        try {
          const reply = await exchange({ start, url, body, asksFirst, steps, context: { ...context, connectMs } });
          wary.delete(url.host);
          return reply;
        } catch (error) {
          context.signal.throwIfAborted();
          const { cause, stale } = error as CosSliceError;
          if (isBroken(cause)) {
            if (stale) dropIdle(where.agent, url.hostname);
            else if (body?.content !== undefined) wary.add(url.host);
          }
          throw error;
        }
      });
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

/** Others that wait there for a request have most likely been closed by now, too. */
function dropIdle(agent: HttpAgent | HttpsAgent, hostname: string): void {
  for (const [name, sockets = []] of Object.entries(agent.freeSockets)) {
    if (name.startsWith(`${hostname}:`)) for (const socket of [...sockets]) socket.destroy();
  }
}

interface Exchange {
  readonly start: () => ClientRequest;
  readonly url: URL;
  readonly body: Body | undefined;
  /** Whether the server wants the body at all. */
  readonly asksFirst: boolean;
  readonly steps: Steps;
  readonly context: SendContext;
}

function exchange({ start, url, body, asksFirst, steps, context }: Exchange): Promise<WireResponse> {
  const { signal } = context;
  return new Promise((resolve, reject) => {
    let request: ClientRequest;
    try {
      request = start();
    } catch (error) {
      return reject(toTransportError(error, url));
    }
    let settled = false;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      endTiming();
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (error: unknown): void => {
      settle(() => reject(error));
      request.destroy();
    };
    const onAbort = (): void => {
      settle(() => reject(signal.reason));
      request.destroy();
    };
    const late = (): void => fail(connectTimeout(url.host));
    const endTiming = timeConnection(request, context.connectMs, context.onConnected, late);
    signal.addEventListener('abort', onAbort, { once: true });
    let received = false;
    let bytesBefore = 0;
    request.on('error', (error) => {
      // Its own stream tells how the reply ends.
      if (received) return;
      const { socket, reusedSocket } = request;
      const stale = reusedSocket && isBroken(error) && socket?.bytesRead === bytesBefore;
      fail(toTransportError(error, url, { stale }));
    });
    request.on('socket', (socket) => {
      bytesBefore = socket.bytesRead;
    });
    request.on('response', (response) => {
      received = true;
      readReply(response, url, fail, (reply) => {
        settle(() => resolve(reply));
        // Answered before all was sent: the rest is of no use, and so is the connection.
        if (!request.destroyed && !request.writableFinished) request.destroy();
      });
    });
    if (body === undefined) {
      request.end();
      return;
    }
    const send = (): void =>
      sendBody(request, body, steps, context, (sentBytes) => settled || context.onSent(sentBytes), fail);
    if (asksFirst) sendWhenWanted(request, send);
    else send();
  });
}

/** Sends when the server says that it goes on, or says nothing for a while; not after a reply. */
function sendWhenWanted(request: ClientRequest, send: () => void): void {
  let over = false;
  const end = (act?: () => void): void => {
    clearTimeout(timer);
    if (!over) act?.();
    over = true;
  };
  const timer = setTimeout(() => end(send), EXPECT_MS);
  request.on('continue', () => end(send));
  request.on('response', () => end());
  request.on('close', () => end());
  request.flushHeaders();
}

/** How much goes at once where there is a limit to bytes per second. */
const PACED_PER_SECOND = 16;
const LEAST_PACED_BYTES = 512;

/** What is written in one turn goes out in one system call, together with the headers: a slice in a single step does. */
function sendBody(
  request: ClientRequest,
  { head, content, tail }: Body,
  steps: Steps,
  { bandwidth, signal }: SendContext,
  onSent: (contentBytes: number) => void,
  onUnreadable: (error: unknown) => void,
): void {
  request.write(head);
  if (content === undefined || content.length === 0) {
    request.end(tail);
    return;
  }
  const step = (start: number): void => {
    if (!bandwidth) return write(start, steps.bytes);
    // Several times a second, so that the rate is even and progress shows; an attempt that is over needs no more.
    const bytes = Math.min(
      steps.bytes,
      Math.max(LEAST_PACED_BYTES, Math.floor(bandwidth.bytesPerSecond / PACED_PER_SECOND)),
    );
    const taken = Math.min(bytes, content.length - start);
    bandwidth.take(taken, signal).then(
      () => request.destroyed || write(start, taken),
      () => {},
    );
  };
  // What was read has gone out when the next is read.
  let room = new Uint8Array();
  const write = (start: number, bytes: number): void => {
    const end = Math.min(start + bytes, content.length);
    if (!isLarge(content)) return put(content.subarray(start, end), end);
    if (room.length < bytes) room = new Uint8Array(bytes);
    const piece = room.subarray(0, end - start);
    content.read(piece, start).then(() => request.destroyed || put(piece, end), onUnreadable);
  };
  const put = (piece: Uint8Array, end: number): void => {
    const startedAtMs = performance.now();
    request.write(piece, (error) => {
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
  const finish = (): void => {
    const [first] = chunks;
    const body = UTF_8.decode(chunks.length === 1 ? first : Buffer.concat(chunks));
    done({ status, header: (name) => textOf(headers[name.toLowerCase()]), body });
  };
  response.on('error', (error) => {
    // A refusal that is cut off, often because the server no longer reads the body, is one all the same.
    if (status >= 400 && status < 500) finish();
    else fail(toTransportError(error, url));
  });
  response.on('end', finish);
}

/** As a list, which node:http sends as it is. */
function headersOf({ host }: URL, request: WireRequest<Content>, body: Body | undefined, asksFirst: boolean): string[] {
  const headers = ['Host', host];
  if (request.authorization) headers.push('Authorization', request.authorization.value);
  for (const [name, value] of Object.entries(request.headers ?? {})) headers.push(name, value);
  if (body?.contentType !== undefined) headers.push('Content-Type', body.contentType);
  // Methods that may have a body say that there is none.
  if (body || /^P/.test(request.method)) headers.push('Content-Length', String(body?.contentLength ?? 0));
  if (asksFirst) headers.push('Expect', '100-continue');
  return headers;
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
