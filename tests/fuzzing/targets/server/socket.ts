import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as delay, setImmediate as othersTurn } from 'node:timers/promises';
import type { Exchanged } from './connection.ts';

/** A request that has not come in whole by then will not. */
const PATIENCE_MS = 20;

/** The same over a real socket. */
export async function exchangeOverSocket(server: Server, pieces: readonly Buffer[]): Promise<Exchanged> {
  const { port } = server.address() as AddressInfo;
  const methods: string[] = [];
  const open = new Set<IncomingMessage>();
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    methods.push(req.method ?? '');
    open.add(req);
    res.once('close', () => open.delete(req));
  };
  server.prependListener('request', onRequest);
  server.prependListener('checkContinue', onRequest);
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  for (const piece of pieces) {
    if (socket.destroyed) break;
    if (piece.length > 0) await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
    await othersTurn();
  }
  while (!socket.destroyed && [...open].some(({ complete }) => complete)) await delay(1);
  await Promise.race([closed, delay(PATIENCE_MS)]);
  while (!socket.destroyed && [...open].some(({ complete }) => complete)) await delay(1);
  socket.end();
  await Promise.race([closed, delay(1000)]);
  socket.destroy();
  server.off('request', onRequest);
  server.off('checkContinue', onRequest);
  return { output: Buffer.concat(chunks), methods };
}
