import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What a proxy does to the connections through it; may be changed while it runs. */
export interface Faults {
  /** Resets a connection after so many bytes towards the server. */
  resetAfterBytes?: () => number;
  /** Stops passing anything on after so many bytes towards the server, and keeps the connection open. */
  stallAfterBytes?: () => number;
  /** Changes one byte of a connection, so many bytes towards the server. */
  changeAfterBytes?: () => number;
  /** Swallows the server's answers. */
  deaf?: boolean;
  /** Refuses new connections and cuts the old ones. */
  down?: boolean;
}

export interface FaultProxy {
  readonly url: string;
  readonly faults: Faults;
  readonly connections: number;
  cutAll(): void;
  close(): Promise<void>;
}

/** A TCP proxy on 127.0.0.1 that misbehaves as told. */
export async function startFaultProxy(targetPort: number, faults: Faults = {}): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    connections += 1;
    keep(client);
    if (faults.down) return void client.destroy();
    const upstream = connect(targetPort, '127.0.0.1');
    keep(upstream);
    const resetAfter = faults.resetAfterBytes?.() ?? Number.POSITIVE_INFINITY;
    const stallAfter = faults.stallAfterBytes?.() ?? Number.POSITIVE_INFINITY;
    const changeAt = faults.changeAfterBytes?.() ?? Number.POSITIVE_INFINITY;
    let passed = 0;
    client.on('data', (chunk: Buffer) => {
      const at = changeAt - passed;
      if (at >= 0 && at < chunk.length) chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      passed += chunk.length;
      if (passed > stallAfter) return void client.pause();
      if (passed > resetAfter) {
        client.resetAndDestroy();
        upstream.destroy();
        return;
      }
      if (upstream.write(chunk)) return;
      client.pause();
      upstream.once('drain', () => client.resume());
    });
    upstream.on('data', (chunk) => {
      if (faults.deaf) return;
      if (client.write(chunk)) return;
      upstream.pause();
      client.once('drain', () => upstream.resume());
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    faults,
    get connections() {
      return connections;
    },
    cutAll,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cutAll();
      }),
  };
}
