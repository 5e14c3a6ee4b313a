import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { setImmediate as othersTurn } from 'node:timers/promises';

/** A connection that ends in this process: what a server reads and writes goes through no system. */
class Line extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  readonly localPort = 80;
  readonly written: Buffer[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    done();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }
}

/** Turns of the event loop after which a request that has not come in whole is taken to wait for the rest. */
const PATIENCE = 30;

export interface Exchanged {
  readonly output: Buffer;
  /** Of the requests that the server has taken for some. */
  readonly methods: readonly string[];
}

/** Sends bytes over a connection of their own, piece by piece, and reads what comes until nothing more will. */
export async function exchange(server: Server, pieces: readonly Buffer[]): Promise<Exchanged> {
  const line = new Line({ allowHalfOpen: true });
  const methods: string[] = [];
  const open = new Set<IncomingMessage>();
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    if (req.socket !== (line as unknown)) return;
    methods.push(req.method ?? '');
    open.add(req);
    res.once('close', () => open.delete(req));
  };
  server.prependListener('request', onRequest);
  server.prependListener('checkContinue', onRequest);
  const closed = new Promise<void>((resolve) => line.once('close', resolve));
  line.on('error', () => {});
  server.emit('connection', line);
  for (const piece of pieces) {
    if (line.destroyed) break;
    line.push(piece);
    await othersTurn();
  }
  // Whoever is owed an answer gets it; only then may the connection end.
  for (let idle = 0; idle < PATIENCE && !line.destroyed; idle++) {
    if ([...open].some(({ complete }) => complete)) idle = 0;
    await othersTurn();
  }
  if (!line.destroyed) line.push(null);
  await closed;
  server.off('request', onRequest);
  server.off('checkContinue', onRequest);
  return { output: Buffer.concat(line.written), methods };
}
