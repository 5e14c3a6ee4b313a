import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ClientGoneError } from './body.ts';

/** A client that takes nothing for this long is given up. */
export const IDLE_MS = 60_000;
/** What a client takes at least in that time, even if it keeps the connection busy in other ways. */
const MIN_BYTES = 64 * 1024;
/** Requests that a connection may have sent without waiting for their replies. */
const MAX_PIPELINED = 64;

/** The replies that a connection has yet to carry. */
const repliesOf = new WeakMap<Socket, Set<ServerResponse>>();

/**
 * Closes a reply whose connection ends while others are before it there. node:http tells only the one whose turn it is, and
 * whoever waits for the others would wait for ever.
 */
export function endWithConnection({ socket }: IncomingMessage, res: ServerResponse): void {
  const replies = repliesOf.get(socket) ?? new Set();
  if (!repliesOf.has(socket)) {
    repliesOf.set(socket, replies);
    socket.once('close', () => {
      for (const reply of replies) {
        if (reply.socket !== null || reply.closed) continue;
        reply.destroy();
        reply.emit('close');
      }
    });
  }
  replies.add(res);
  res.once('close', () => replies.delete(res));
}

/**
 * Resolves when the replies before this one have left its connection, which it cannot before them; undefined when there are
 * none. So what a client sends without waiting for replies is work for one request at a time. One that sends very much so is
 * cut off. For replies that {@link endWithConnection} knows.
 */
export function turnOf({ socket, httpVersionMajor }: IncomingMessage, res: ServerResponse): Promise<void> | undefined {
  // Those of HTTP/2 go side by side.
  if (httpVersionMajor > 1) return undefined;
  const replies = [...(repliesOf.get(socket) ?? [])];
  const before = replies[replies.indexOf(res) - 1];
  if (!before || before.writableFinished || before.closed) return undefined;
  if (replies.length > MAX_PIPELINED) socket.destroy();
  return new Promise((resolve) => {
    before.once('finish', resolve).once('close', resolve);
  });
}

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
