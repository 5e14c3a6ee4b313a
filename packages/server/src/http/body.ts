import type { IncomingMessage } from 'node:http';
import { ProtocolError } from '../protocol/codes.ts';

/** A connection that sends nothing for this long while its body is awaited is cut. */
const IDLE_MS = 60_000;
/** How much may wait to be taken before the sender is held up. */
const MAX_WAITING_BYTES = 256 * 1024;
/** How much of a refused request is still read, so that its sender gets to see the reply. */
const MAX_DRAIN_BYTES = 64 * 1024 * 1024;
const MAX_DRAIN_MS = 60_000;

/** The client went away in the middle of its request. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
}

/**
 * Reads a request body to its end, waiting whenever `onChunk` asks to. Resolves only when every announced byte came.
 *
 * @param onBytes told the size of each chunk
 * @throws ClientGoneError when the connection broke, ProtocolError -5999 beyond `maxBytes`, whatever `onChunk` throws
 */
export function readBody(
  req: IncomingMessage,
  maxBytes: number,
  onBytes: (bytes: number) => void,
  onChunk: (chunk: Buffer) => Promise<void> | undefined,
): Promise<void> {
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) {
    return Promise.reject(new ProtocolError('badParameter', 'the body is too large'));
  }
  return new Promise((resolve, reject) => {
    let total = 0;
    let busy: Promise<void> | undefined;
    /** What came while one was busy: stopping the stream for every short wait costs more than the wait. */
    const waiting: Buffer[] = [];
    let waitingBytes = 0;
    req.socket.setTimeout(IDLE_MS);

    function leave(): void {
      req.off('data', onData);
      req.off('end', onEnd);
      req.off('close', onClose);
      req.socket?.setTimeout(0);
    }
    async function fail(error: unknown): Promise<void> {
      leave();
      req.pause();
      waiting.length = 0;
      // Nobody must be left at work on a chunk when the caller cleans up.
      await busy?.catch(() => {});
      reject(error);
    }
    function onData(chunk: Buffer): void {
      total += chunk.length;
      onBytes(chunk.length);
      try {
        if (total > maxBytes) throw new ProtocolError('badParameter', 'the body is too large');
        if (busy) {
          waiting.push(chunk);
          waitingBytes += chunk.length;
          if (waitingBytes >= MAX_WAITING_BYTES) req.pause();
          return;
        }
        const wait = onChunk(chunk);
        if (!wait) return;
        busy = goOn(wait);
        busy.catch(fail);
      } catch (error) {
        void fail(error);
      }
    }
    async function goOn(wait: Promise<void>): Promise<void> {
      await wait;
      for (let chunk = waiting.shift(); chunk; chunk = waiting.shift()) await onChunk(chunk);
      busy = undefined;
      waitingBytes = 0;
      if (req.isPaused()) req.resume();
    }
    async function onEnd(): Promise<void> {
      leave();
      try {
        // The stream may end while paused.
        await busy;
        if (!req.complete) throw new ClientGoneError();
        resolve();
      } catch (error) {
        reject(error);
      }
    }
    function onClose(): void {
      void fail(new ClientGoneError());
    }
    if (req.destroyed) onClose();
    else req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

/** Lets the rest of a refused request run out, and cuts the connection if that takes too much. */
export function drain(req: IncomingMessage): void {
  if (req.readableEnded || req.destroyed) return;
  let total = 0;
  const timer = setTimeout(() => req.destroy(), MAX_DRAIN_MS);
  req.on('close', () => clearTimeout(timer));
  req.on('data', (chunk: Buffer) => {
    total += chunk.length;
    if (total > MAX_DRAIN_BYTES) req.destroy();
  });
  req.resume();
}
