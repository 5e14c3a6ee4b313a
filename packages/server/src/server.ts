import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Form, readForm } from './form/read-form.ts';
import { type Address, readAddress } from './http/address.ts';
import { ClientGoneError, drain } from './http/body.ts';
import { sendObject } from './http/download.ts';
import { asProtocolError, sendFailure, sendPreflight, sendSuccess } from './http/reply.ts';
import { abortContent, type Content, maxContentBytes, openContent } from './operations/content.ts';
import { createExchange, isStale } from './operations/exchange.ts';
import { findOperation } from './operations/operations.ts';
import { readOptions, type Settings, type SliceServerOptions } from './options.ts';
import { ProtocolError } from './protocol/codes.ts';
import { createOnceRegister } from './signature/once.ts';
import { allows, checkSignature, type Grant } from './signature/signature.ts';
import type { Target } from './store/store.ts';

const SWEEP_EVERY_MS = 10 * 60_000;
/** Longer than clients and proxies keep idle connections, so that they are the ones to close them. */
const KEEP_ALIVE_MS = 75_000;

export interface SliceServer {
  /** Starts listening, on a free port and on 127.0.0.1 unless told otherwise. `url` is the server's origin. */
  listen(port?: number, host?: string): Promise<{ url: string; port: number }>;
  /**
   * Answers one request, for use inside another `http.Server`. Never rejects.
   *
   * @param awaitsContinue true when called from the server's `checkContinue` event: the client is then told to send
   *   its body only after its signature has been found good
   */
  handle(req: IncomingMessage, res: ServerResponse, awaitsContinue?: boolean): Promise<void>;
  /** Stops listening, cuts what connections remain and closes the store. */
  close(): Promise<void>;
}

/**
 * A server for the COS JSON API's slice uploads, simple uploads and downloads (protocol sections 1, 2 and 5).
 *
 * @throws TypeError that names every option that cannot be used
 */
export function createSliceServer(options: SliceServerOptions): SliceServer {
  const settings = readOptions(options);
  const answer = createAnswer(settings);
  const sweeper = startSweeper(settings);
  let server: Server | undefined;

  async function handle(req: IncomingMessage, res: ServerResponse, awaitsContinue = false): Promise<void> {
    const startedAtMs = performance.now();
    const record: Progress = { op: undefined, path: undefined, bytes: 0, code: 0 };
    // Broken connections show where they matter; here they must only not go unheard.
    req.on('error', () => {});
    res.on('error', () => {});
    try {
      await answer(req, res, awaitsContinue, record);
    } catch (error) {
      const failure = asProtocolError(error);
      record.code = failure.code;
      if (error instanceof ClientGoneError || res.headersSent || res.destroyed) req.destroy();
      else {
        // A client that was not told to go on will not, and what it sends next would be taken for this body.
        if (awaitsContinue && !res.writableEnded) res.setHeader('Connection', 'close');
        sendFailure(res, settings.nowMs(), failure);
      }
    }
    drain(req);
    settings.onRequest({
      method: req.method ?? '',
      ...record,
      status: res.statusCode,
      durationMs: performance.now() - startedAtMs,
    });
  }

  return {
    handle,
    async listen(port = 0, host = '127.0.0.1') {
      if (server) throw new Error('the server is listening already');
      const http = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 });
      server = http;
      http.on('request', (req, res) => void handle(req, res));
      http.on('checkContinue', (req, res) => void handle(req, res, true));
      await new Promise<void>((resolve, reject) => {
        http.once('error', reject);
        http.listen(port, host, resolve);
      });
      const { port: boundPort } = http.address() as AddressInfo;
      return { url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`, port: boundPort };
    },
    async close() {
      await sweeper.stop();
      const http = server;
      server = undefined;
      if (http) {
        await new Promise<void>((resolve) => {
          http.close(() => resolve());
          http.closeAllConnections();
        });
      }
      await settings.store.close();
    },
  };
}

/** What becomes known of a request while it is answered. */
interface Progress {
  op: string | undefined;
  path: string | undefined;
  bytes: number;
  code: number;
}

type Answer = (req: IncomingMessage, res: ServerResponse, awaitsContinue: boolean, record: Progress) => Promise<void>;

function createAnswer(settings: Settings): Answer {
  const once = createOnceRegister();

  function grantFor(req: IncomingMessage, { target, query }: Address, nowSec: number): Grant {
    const signature = req.headers.authorization ?? query.get('sign');
    const grant = checkSignature(signature, target, settings.accountsBySecretId, nowSec);
    if (!isBucket(settings, target)) throw new ProtocolError('bucketUnknown');
    return grant;
  }

  async function download(req: IncomingMessage, res: ServerResponse, address: Address, nowMs: number): Promise<void> {
    if (!settings.publicRead) allows(grantFor(req, address, nowMs / 1000), address.target, 'read');
    if (!isBucket(settings, address.target)) throw new ProtocolError('bucketUnknown');
    if (address.query.has('op')) throw new ProtocolError('badParameter', 'this server does not have this op');
    if (address.isDirectory) throw new ProtocolError('notFound');
    await sendObject(req, res, settings.store, address.target, nowMs);
  }

  return async (req, res, awaitsContinue, record) => {
    const nowMs = settings.nowMs();
    if (req.method === 'OPTIONS') return sendPreflight(req, res, nowMs);
    const address = readAddress(req.url ?? '', settings.prefix);
    const { target, query } = address;
    record.path = target.path;
    record.op = query.get('op');
    if (req.method === 'GET' || req.method === 'HEAD') return download(req, res, address, nowMs);
    if (req.method !== 'POST' && req.method !== 'PUT') throw new ProtocolError('badParameter', 'method not supported');

    // All that can be refused before the body is read.
    const grant = grantFor(req, address, nowMs / 1000);
    allows(grant, target, grant.kind === 'once' ? 'once' : 'write');
    if (awaitsContinue) res.writeContinue();

    const exchange = createExchange(settings, req, target, nowMs);
    let content: Content | undefined;
    try {
      const form: Form = await readForm(req, query, {
        maxContentBytes: maxContentBytes(settings),
        onBytes: (bytes) => {
          record.bytes += bytes;
        },
        openContent: async (fields) => {
          const opened = await openContent(exchange, fields);
          content = opened.content;
          return opened.sink;
        },
      });
      record.op = form.fields.get('op');
      const operation = findOperation(record.op);
      allows(grant, target, operation.signature === 'once' ? 'once' : 'write');
      if (address.isDirectory) throw new ProtocolError('invalidPath', 'this op needs the path of a file');
      if (operation.signature === 'once') once.use(grant, nowMs / 1000);
      sendSuccess(res, settings.nowMs(), await operation.run(exchange, form, content));
    } finally {
      await abortContent(content);
    }
  };
}

function isBucket(settings: Settings, { appId, bucket }: Target): boolean {
  for (const account of settings.accountsBySecretId.values()) {
    if (account.appId === appId && account.buckets.includes(bucket)) return true;
  }
  return false;
}

/** Drops stale sessions: soon after the start and then every few minutes, one at a time. */
function startSweeper(settings: Settings): { stop(): Promise<void> } {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();

  async function sweep(): Promise<void> {
    for await (const session of settings.store.sessions()) {
      if (stopped) return;
      if (isStale(session, settings, settings.nowMs())) await session.discard();
    }
  }
  function start(): void {
    // A failing disk shows in requests; the next sweep tries again.
    running = running.then(sweep).catch(() => {});
  }

  start();
  const timer = setInterval(start, SWEEP_EVERY_MS);
  timer.unref();
  return {
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
