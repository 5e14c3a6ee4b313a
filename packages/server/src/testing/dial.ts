import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A connection of its own that sends what a test wants, well-formed or not. */
export interface Dialled {
  readonly socket: Socket;
  /** What has come back so far. */
  text(): string;
  /** Resolves when the other side has closed the connection. */
  readonly closed: Promise<void>;
}

export async function dial(origin: string): Promise<Dialled> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => void socket.on('close', () => resolve()));
  await once(socket, 'connect');
  return { socket, text: () => text, closed };
}
