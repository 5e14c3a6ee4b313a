import type { ServerResponse } from 'node:http';
import { ClientGoneError } from './body.ts';

/** A client that takes nothing for this long is given up. */
export const IDLE_MS = 60_000;
/** What a client takes at least in that time, even if it keeps the connection busy in other ways. */
const MIN_BYTES = 64 * 1024;

/** Gives a client up that takes nothing of what has been sent. */
export function watchOutflow(res: ServerResponse, idleMs: number = IDLE_MS): void {
  if (!res.writableFinished) res.setTimeout(idleMs, () => res.destroy());
}

/**
 * Sends a piece of a reply, and waits until there is room for the next.
 *
 * @throws ClientGoneError when the connection broke, or the client takes too little of what is sent
 */
export async function sendPiece(
  res: ServerResponse,
  piece: Uint8Array | string,
  idleMs: number = IDLE_MS,
): Promise<void> {
  if (res.destroyed) throw new ClientGoneError();
  if (res.write(piece)) return;
  await new Promise<void>((resolve, reject) => {
    const giveUp = setTimeout(() => res.destroy(), idleMs * Math.ceil(piece.length / MIN_BYTES));
    const settle = (): void => {
      clearTimeout(giveUp);
      res.off('drain', settle).off('close', settle);
      if (res.destroyed) reject(new ClientGoneError());
      else resolve();
    };
    res.on('drain', settle).on('close', settle);
  });
}
