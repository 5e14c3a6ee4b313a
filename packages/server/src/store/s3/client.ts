import type { IncomingHttpHeaders, IncomingMessage, ClientRequest as NodeRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Error } from './s3-error.ts';
import { readText, replyOf, type S3Request, type Transport } from './transport.ts';
import { parseXml, textOf, type XmlElement } from './xml.ts';

const IDLE_MS = 60_000;
const ATTEMPTS = 6;
const BASE_DELAY_MS = 40;
const MAX_DELAY_MS = 3000;
/** Retries are paid for by successes, so that a store in trouble is not asked many times as much as usual. */
const BUDGET = { full: 200, retryCosts: 5, successPays: 1 };

/** Node tells of the reply that has begun to come. */
type ClientRequest = NodeRequest & { readonly res?: IncomingMessage | null };

/** A body that can be read once more when the request has to be sent again. */
export interface S3Body {
  readonly sizeBytes: number;
  read(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface S3Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly xml: XmlElement | undefined;
}

export interface CallOptions {
  readonly body?: S3Body;
  readonly idleMs?: number;
  /** Only sent again where nothing has come of it for certain: it would leave something behind each time. */
  readonly isOnce?: boolean;
}

/** What happened in one request to the store. */
export interface S3CallInfo {
  readonly method: string;
  /** The reply's status; 0 when there was none. */
  readonly status: number;
  readonly durationMs: number;
  /** Whether the same request is sent again. */
  readonly isRetried: boolean;
}

/** Sends requests, again where that may help. */
export interface S3Client {
  /** @throws S3Error for all but success, Error when there was no reply in the end */
  call(request: S3Request, options?: CallOptions): Promise<S3Reply>;
  /** A reply whose body is left to be read. */
  open(request: S3Request): Promise<IncomingMessage>;
  /** Begins a request whose body goes through once, as it comes. */
  stream(request: S3Request, bodyBytes: number): Promise<Outgoing>;
  close(): void;
}

/** A body on its way to the store. */
export interface Outgoing {
  /** A returned promise asks the caller to wait before writing on. Rejects never: {@link end} tells. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** @throws S3Error, Error */
  end(bytes: Uint8Array): Promise<S3Reply>;
  abort(): void;
}

export const bodyOf = (content: string | Uint8Array): S3Body => {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { sizeBytes: bytes.length, read: () => [bytes] };
};

export function createClient(transport: Transport, onCall: (info: S3CallInfo) => void = () => {}): S3Client {
  let budget = BUDGET.full;

  /** Whether it may be tried again, after a while that has passed then. */
  async function mayRetry(error: unknown, attempt: number, isOnce: boolean): Promise<boolean> {
    if (error instanceof S3Error && !error.isPassing) return false;
    if (isOnce && !(error instanceof S3Error && error.status === 503)) return false;
    if (attempt >= ATTEMPTS || budget < BUDGET.retryCosts) return false;
    budget -= BUDGET.retryCosts;
    await sleep(Math.random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** attempt));
    return true;
  }

  async function withRetries<T>(
    method: string,
    run: () => Promise<{ result: T; status: number }>,
    isOnce = false,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const startedAtMs = performance.now();
      const tell = (status: number, isRetried: boolean) =>
        onCall({ method, status, durationMs: performance.now() - startedAtMs, isRetried });
      try {
        const { result, status } = await run();
        budget = Math.min(BUDGET.full, budget + BUDGET.successPays);
        tell(status, false);
        return result;
      } catch (error) {
        const isRetried = await mayRetry(error, attempt, isOnce);
        tell(error instanceof S3Error ? error.status : 0, isRetried);
        if (!isRetried) throw error;
      }
    }
  }

  return {
    call: (request, { body, idleMs = IDLE_MS, isOnce } = {}) =>
      withRetries(
        request.method,
        async () => {
          const outgoing = await transport.begin(request, body?.sizeBytes ?? 0, idleMs);
          const replying = replyOf(outgoing);
          replying.catch(() => {});
          if (body) {
            for await (const bytes of body.read()) {
              if (isOver(outgoing)) break;
              if (!outgoing.write(bytes)) await flushed(outgoing);
            }
          }
          if (!isOver(outgoing)) outgoing.end();
          const reply = await readReply(request, await replying).finally(() => endUnread(outgoing));
          return { result: reply, status: reply.status };
        },
        isOnce,
      ),
    open: (request) =>
      withRetries(request.method, async () => {
        const outgoing = await transport.begin(request, 0, IDLE_MS);
        outgoing.end();
        const reply = await replyOf(outgoing);
        if ((reply.statusCode ?? 0) >= 300) await readReply(request, reply);
        return { result: reply, status: reply.statusCode ?? 0 };
      }),
    async stream(request, bodyBytes) {
      const outgoing = await transport.begin(request, bodyBytes, IDLE_MS);
      const startedAtMs = performance.now();
      const replying = replyOf(outgoing)
        .then((reply) => readReply(request, reply))
        .finally(() => endUnread(outgoing));
      const tell = (status: number) =>
        onCall({ method: request.method, status, durationMs: performance.now() - startedAtMs, isRetried: false });
      replying.then(
        ({ status }) => tell(status),
        (error) => tell(error instanceof S3Error ? error.status : 0),
      );
      return {
        write(bytes) {
          if (isOver(outgoing) || outgoing.write(bytes)) return undefined;
          return flushed(outgoing);
        },
        end(bytes) {
          if (!isOver(outgoing)) outgoing.end(bytes);
          return replying;
        },
        abort() {
          outgoing.destroy();
        },
      };
    },
    close: () => transport.close(),
  };
}

/** Whether there is nothing to write any more: stores answer as soon as they know, and take nothing after that. */
function isOver(outgoing: ClientRequest): boolean {
  return outgoing.destroyed || !!outgoing.res;
}

/** Gives up a connection on which the store waits for the rest of a body that it has refused. */
function endUnread(outgoing: ClientRequest): void {
  if (!outgoing.writableEnded) outgoing.destroy();
}

/** Resolves when more can be written, or when nothing can any more. */
function flushed(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'response']) outgoing.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'response']) outgoing.on(event, done);
  });
}

/** @throws S3Error for all but success; some stores say 200 before they know, and tell of the failure in the body */
async function readReply(request: S3Request, reply: IncomingMessage): Promise<S3Reply> {
  const status = reply.statusCode ?? 0;
  const text = await readText(reply);
  const xml = parseXml(text);
  if (status >= 300 || xml?.name === 'Error') {
    const code = textOf(xml, 'Code') ?? (status === 404 ? 'NotFound' : `HTTP${status}`);
    const doing = `${request.method} ${request.key ?? request.bucket}`;
    throw new S3Error(status, code, doing, textOf(xml, 'Message'));
  }
  return { status, headers: reply.headers, text, xml };
}
