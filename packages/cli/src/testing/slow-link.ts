import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server of this machine that lets so many bytes a second through, all connections together. */
export interface SlowLink {
  readonly endpoint: string;
  /** Bytes that have come from the server. */
  passedBytes(): number;
  close(): void;
}

export async function createSlowLink(origin: string, bytesPerSec: number): Promise<SlowLink> {
  const sockets = new Set<Socket>();
  let freeAtMs = 0;
  let passedBytes = 0;
  const pass = (from: Socket, to: Socket, count: (bytes: number) => void): void => {
    from.on('data', (chunk) => {
      const nowMs = performance.now();
      freeAtMs = Math.max(freeAtMs, nowMs) + (chunk.length / bytesPerSec) * 1000;
      count(chunk.length);
      to.write(chunk);
      from.pause();
      setTimeout(() => from.resume(), freeAtMs - nowMs);
    });
  };
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(origin).port), '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    pass(client, upstream, () => {});
    pass(upstream, client, (bytes) => {
      passedBytes += bytes;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/v2`,
    passedBytes: () => passedBytes,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
