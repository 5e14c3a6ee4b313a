import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A TCP proxy to a port of this machine that lets so many bytes a second through to it, all connections together. */
export async function openSlowLink(targetPort, bytesPerSec) {
  const sockets = new Set();
  let freeAtMs = 0;
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => {
      const nowMs = performance.now();
      freeAtMs = Math.max(freeAtMs, nowMs) + (chunk.length / bytesPerSec) * 1000;
      upstream.write(chunk);
      client.pause();
      setTimeout(() => client.resume(), freeAtMs - nowMs);
    });
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
