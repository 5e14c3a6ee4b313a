import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAnswer, type Progress } from './answer.ts';
import { bucketHosts } from './http/address.ts';
import { ClientGoneError, drain } from './http/body.ts';
import { createHttpServer, startListening } from './http/listener.ts';
import { endWithConnection, turnOf, watchOutflow } from './http/outflow.ts';
import { answerProbe } from './http/probe.ts';
import { asProtocolError, sendFailure } from './http/reply.ts';
import { createUnderWay } from './http/under-way.ts';
import { type RequestInfo, readOptions, type SliceServerOptions } from './options.ts';
import { startSweeper } from './sweeper.ts';

export interface SliceServer {
  /**
   * Starts listening, on a free port and on 127.0.0.1 unless told otherwise. `url` is the server's origin.
   *
   * @throws what listening or the store's `open` throws; it may be tried again
   */
  listen(port?: number, host?: string): Promise<{ url: string; port: number }>;
  /**
   * Answers one request, for use inside another `http.Server` or a framework. Never rejects. Use it before anything that
   * reads bodies; a body that has been read is taken from `req.rawBody` or `req.body` where possible, and refused else.
   *
   * @param awaitsContinue true when called from the server's `checkContinue` event: the client is then told to send
   *   its body only after its signature has been found good
   */
  handle(req: IncomingMessage, res: ServerResponse, awaitsContinue?: boolean): Promise<void>;
  /**
   * Stops listening, lets requests under way come to their end, cuts what connections remain and closes the store, one
   * second later where that does not answer.
   */
  close(options?: CloseOptions): Promise<void>;
}

export interface CloseOptions {
  /** How long requests under way may go on, in milliseconds. Default 10,000. */
  readonly graceMs?: number;
}

const GRACE_MS = 10_000;
/** How long what the storage was asked for may go on when all requests are answered or cut. */
const STORAGE_GRACE_MS = 1000;
/** Of all connections, those that one address may have. */
const SHARE_OF_ONE = 0.75;

/**
 * A server for the COS JSON API's slice uploads, simple uploads and downloads (protocol sections 1, 2 and 5).
 *
 * @throws TypeError that names every option that cannot be used
 */
export function createSliceServer(options: SliceServerOptions): SliceServer {
  const settings = readOptions(options);
  const answer = createAnswer(settings);
  const hosts = bucketHosts(settings);
  const sweeper = startSweeper(settings);
  const inFlight = new Set<Promise<void>>();
  const underWay = createUnderWay();
  let server: Server | undefined;
  let closing: Promise<void> | undefined;

  async function handle(req: IncomingMessage, res: ServerResponse, awaitsContinue = false): Promise<void> {
    endWithConnection(req, res);
    underWay.add(res);
    // Broken connections show where they matter; here they must only not go unheard.
    req.on('error', () => {});
    res.on('error', () => {});
    const turn = turnOf(req, res);
    if (turn) {
      await turn;
      if (res.destroyed) return;
    }
    if (answerProbe(req, res, { nowMs: settings.nowMs(), isStopping: closing !== undefined, hosts })) return drain(req);
    const handling = exchange(req, res, awaitsContinue).finally(() => inFlight.delete(handling));
    inFlight.add(handling);
    await handling;
  }

  async function exchange(req: IncomingMessage, res: ServerResponse, awaitsContinue: boolean): Promise<void> {
    const startedAtMs = performance.now();
    const record: Progress = { op: undefined, path: undefined, bytes: 0, code: 0, fault: undefined };
    try {
      await answer(req, res, awaitsContinue, record);
    } catch (error) {
      const failure = asProtocolError(error);
      if (error instanceof ClientGoneError || res.headersSent || res.destroyed) {
        // A reply that is not whole must not look as if it were: what comes next would be taken for its rest.
        res.destroy();
        req.destroy();
      } else {
        record.code = failure.code;
        if (failure.isFault) record.fault = error;
        // A client that was not told to go on will not, and what it sends next would be taken for this body.
        if (awaitsContinue && !res.writableEnded) res.setHeader('Connection', 'close');
        sendFailure(res, settings.nowMs(), failure);
      }
    }
    watchOutflow(res);
    drain(req);
    const info: RequestInfo = {
      method: req.method ?? '',
      ...record,
      status: res.headersSent ? res.statusCode : 0,
      durationMs: performance.now() - startedAtMs,
    };
    report(info);
  }

  function report(info: RequestInfo): void {
    try {
      settings.onRequest(info);
    } catch (error) {
      // The listener's fault is its own: it must neither stop the server nor vanish.
      warn(error);
    }
  }

  function reportBroken(fault: Error, status: number): void {
    report({ method: '-', op: undefined, path: undefined, status, code: -5999, fault, bytes: 0, durationMs: 0 });
  }

  async function close({ graceMs = GRACE_MS }: CloseOptions): Promise<void> {
    server?.close();
    const swept = sweeper.stop();
    await underWay.end(graceMs);
    server?.closeAllConnections();
    const ended = new AbortController();
    // Who asked is gone by now, and a storage that does not answer would keep the server for as long.
    await Promise.race([
      Promise.all([swept, ...inFlight]),
      sleep(STORAGE_GRACE_MS, undefined, { signal: ended.signal }),
    ]);
    ended.abort();
    await settings.store.close();
  }

  return {
    handle,
    async listen(port = 0, host = '127.0.0.1') {
      if (server) throw new Error('the server is listening already');
      if (closing) throw new Error('the server is closed');
      const bareHost = host.replace(/^\[(.*)\]$/, '$1');
      const http = createHttpServer({
        maxConnections: settings.maxConnections,
        // Behind a proxy, all of them are the proxy's.
        ...(!settings.trustProxy && { maxPerAddress: Math.ceil(settings.maxConnections * SHARE_OF_ONE) }),
        onBroken: reportBroken,
      });
      server = http;
      try {
        // A place that cannot be used is told of now, and not to the first client.
        await settings.store.open();
        await startListening(http, port, bareHost);
      } catch (error) {
        server = undefined;
        throw error;
      }
      // Such as having no descriptor left for a new connection: the ones that are there go on.
      http.on('error', warn);
      http.on('request', (req, res) => void handle(req, res));
      http.on('checkContinue', (req, res) => void handle(req, res, true));
      const { port: boundPort } = http.address() as AddressInfo;
      return { url: `http://${bareHost.includes(':') ? `[${bareHost}]` : bareHost}:${boundPort}`, port: boundPort };
    },
    close(options = {}) {
      closing ??= close(options);
      return closing;
    },
  };
}

function warn(problem: unknown): void {
  process.emitWarning(problem instanceof Error ? problem : String(problem));
}
