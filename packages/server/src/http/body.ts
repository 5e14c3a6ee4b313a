import type { IncomingMessage } from 'node:http';
import { type Held, held as heldByAll } from '../content/held.ts';
import { ProtocolError } from '../protocol/codes.ts';

/** A connection that sends nothing for this long while its body is awaited is cut. */
const IDLE_MS = 60_000;
/** What a body must come at, on average, once it has taken longer than {@link IDLE_MS}. */
const MIN_BYTES_PER_SEC = 256;
/** How much may wait to be taken before the sender is held up. */
const MAX_WAITING_BYTES = 256 * 1024;
/** How much of a refused request is still read, so that its sender gets to see the reply. */
const MAX_DRAIN_BYTES = 64 * 1024 * 1024;
const MAX_DRAIN_MS = 60_000;

/** The client went away in the middle of its request. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
}

/** How patient {@link readBody} is. */
export interface Patience {
  readonly idleMs: number;
  readonly minBytesPerSec: number;
}

/**
 * Reads a request body to its end, waiting whenever `onChunk` asks to. Resolves only when every announced byte came.
 *
 * @param onBytes told the size of each chunk
 * @throws ClientGoneError when the connection broke or went silent; ProtocolError -5999 beyond `maxBytes`, -5997 when the
 *   body comes too slowly; whatever `onChunk` throws
 */
export function readBody(
  req: IncomingMessage,
  maxBytes: number,
  onBytes: (bytes: number) => void,
  onChunk: (chunk: Buffer) => Promise<void> | undefined,
  { idleMs, minBytesPerSec }: Patience = { idleMs: IDLE_MS, minBytesPerSec: MIN_BYTES_PER_SEC },
  held: Held = heldByAll,
): Promise<void> {
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const startedAtMs = performance.now();
    const gathered = createGatherer();
    let total = 0;
    let busy: Promise<void> | undefined;
    /** What came while one was busy: stopping the stream for every short wait costs more than the wait. */
    const waiting: Buffer[] = [];
    let waitingBytes = 0;

    function leave(): void {
      req.off('data', onData);
      req.off('end', onEnd);
      req.off('close', onClose);
      clearTimeout(silence);
    }
    async function fail(error: unknown): Promise<void> {
      leave();
      req.pause();
      for (const chunk of waiting.splice(0)) held.drop(chunk.length);
      // Nobody must be left at work on a chunk when the caller cleans up.
      await busy?.catch(() => {});
      reject(error);
    }
    function onData(chunk: Buffer): void {
      silence.refresh();
      total += chunk.length;
      onBytes(chunk.length);
      try {
        if (total > maxBytes) throw tooLarge(maxBytes);
        const tookMs = performance.now() - startedAtMs;
        if (tookMs > idleMs && total < (minBytesPerSec * tookMs) / 1000) {
          throw new ProtocolError('busy', `the body comes too slowly: less than ${minBytesPerSec} bytes a second`);
        }
        if (chunk.length >= SMALL_BYTES) {
          deliver(gathered.take());
          deliver(chunk);
        } else if (gathered.add(chunk) >= SMALL_BYTES) deliver(gathered.take());
      } catch (error) {
        void fail(error);
      }
    }
    function deliver(chunk: Buffer | undefined): void {
      if (!chunk) return;
      if (busy) {
        waiting.push(chunk);
        waitingBytes += chunk.length;
        held.add(chunk.length);
        if (waitingBytes >= MAX_WAITING_BYTES || held.isFull) req.pause();
        return;
      }
      const wait = onChunk(chunk);
      if (!wait) return;
      busy = goOn(wait);
      busy.catch(fail);
    }
    async function goOn(wait: Promise<void>): Promise<void> {
      await wait;
      for (let chunk = waiting.shift(); chunk; chunk = waiting.shift()) {
        held.drop(chunk.length);
        await onChunk(chunk);
      }
      busy = undefined;
      silence.refresh();
      waitingBytes = 0;
      if (req.isPaused()) req.resume();
    }
    async function onEnd(): Promise<void> {
      leave();
      try {
        deliver(gathered.take());
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
    function onSilence(): void {
      // Of a sender that is held up, or has sent all, silence is what is expected.
      if (busy || req.complete) silence.refresh();
      else req.destroy();
    }
    const silence = setTimeout(onSilence, idleMs);
    if (req.destroyed) onClose();
    else req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

export function tooLarge(maxBytes: number): ProtocolError {
  return new ProtocolError('badParameter', `the body exceeds ${maxBytes} bytes`);
}

/** Chunks below this size are gathered: a sender may cut its body into single bytes, each a Buffer of its own. */
const SMALL_BYTES = 4 * 1024;

interface Gatherer {
  /** Keeps a small chunk. @returns how many bytes are kept */
  add(chunk: Buffer): number;
  /** What is kept, in one piece. */
  take(): Buffer | undefined;
}

function createGatherer(): Gatherer {
  let kept: Buffer | undefined;
  let room: Buffer | undefined;
  let keptBytes = 0;
  return {
    add(chunk) {
      if (!kept) kept = chunk;
      else {
        if (!room) {
          room = Buffer.allocUnsafe(2 * SMALL_BYTES);
          kept.copy(room);
        }
        chunk.copy(room, keptBytes);
        kept = room.subarray(0, keptBytes + chunk.length);
      }
      keptBytes = kept.length;
      return keptBytes;
    },
    take() {
      const taken = kept;
      kept = undefined;
      room = undefined;
      keptBytes = 0;
      return taken;
    },
  };
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
