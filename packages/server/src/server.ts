import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAnswer, type Progress } from './answer.ts';
import { ClientGoneError, drain } from './http/body.ts';
import { createHttpServer } from './http/listener.ts';
import { asProtocolError, sendFailure } from './http/reply.ts';
import { createChecker } from './integrity/checker.ts';
import { type RequestInfo, readOptions, type SliceServerOptions } from './options.ts';
import { startSweeper } from './sweeper.ts';

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
  const checker = createChecker();
  const answer = createAnswer(settings, checker);
  const sweeper = startSweeper(settings);
  const inFlight = new Set<Promise<void>>();
  let server: Server | undefined;

  function handle(req: IncomingMessage, res: ServerResponse, awaitsContinue = false): Promise<void> {
    const handling = exchange(req, res, awaitsContinue).finally(() => inFlight.delete(handling));
    inFlight.add(handling);
    return handling;
  }

  async function exchange(req: IncomingMessage, res: ServerResponse, awaitsContinue: boolean): Promise<void> {
    const startedAtMs = performance.now();
    const record: Progress = { op: undefined, path: undefined, bytes: 0, code: 0, fault: undefined };
    // Broken connections show where they matter; here they must only not go unheard.
    req.on('error', () => {});
    res.on('error', () => {});
    try {
      await answer(req, res, awaitsContinue, record);
    } catch (error) {
      const failure = asProtocolError(error);
      if (error instanceof ClientGoneError || res.headersSent || res.destroyed) req.destroy();
      else {
        record.code = failure.code;
        if (failure.isFault) record.fault = error;
        // A client that was not told to go on will not, and what it sends next would be taken for this body.
        if (awaitsContinue && !res.writableEnded) res.setHeader('Connection', 'close');
        sendFailure(res, settings.nowMs(), failure);
      }
    }
    drain(req);
    const info: RequestInfo = {
      method: req.method ?? '',
      ...record,
      status: res.headersSent ? res.statusCode : 0,
      durationMs: performance.now() - startedAtMs,
    };
    try {
      settings.onRequest(info);
    } catch (error) {
      // The listener's fault is its own: it must neither stop the server nor vanish.
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  return {
    handle,
    async listen(port = 0, host = '127.0.0.1') {
      if (server) throw new Error('the server is listening already');
      const http = createHttpServer();
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
      await Promise.all(inFlight);
      await checker.close();
      await settings.store.close();
    },
  };
}
