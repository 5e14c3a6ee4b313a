import type { ClientRequest } from 'node:http';
import { TLSSocket } from 'node:tls';

/**
 * Times the making of a request's connection: from when it is begun, not while the request waits for one of those that its agent
 * may have.
 *
 * @returns ends the timing
 */
export function timeConnection(
  request: ClientRequest,
  connectMs: number,
  onConnected: () => void,
  onLate: () => void,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  request.once('socket', (socket) => {
    if (isOver) return;
    if (!socket.connecting) return onConnected();
    timer = setTimeout(onLate, connectMs);
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      if (!isOver) onConnected();
    });
  });
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
