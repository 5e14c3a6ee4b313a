import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable, Writable } from 'node:stream';

/** A request as a server is handed it, whose body comes when it is pushed. */
export class SimulatedRequest extends Readable {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly socket: EventEmitter = new EventEmitter();
  complete = false;

  constructor(method: string, url: string, headers: Readonly<Record<string, string>>) {
    super();
    this.method = method;
    this.url = url;
    this.headers = headers;
  }

  override _read(): void {}

  /** The body is whole. */
  finish(): void {
    this.complete = true;
    this.push(null);
  }

  forServer(): IncomingMessage {
    return this as unknown as IncomingMessage;
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly bytes: Buffer;
}

/** What a server writes its reply to. */
export class SimulatedResponse extends Writable {
  statusCode = 200;
  headersSent = false;
  shouldKeepAlive = true;
  readonly socket: EventEmitter;
  readonly #headers: Record<string, string> = {};
  readonly #chunks: Buffer[] = [];

  constructor({ socket }: SimulatedRequest, onReply: (reply: Reply) => void) {
    super();
    this.socket = socket;
    this.on('finish', () => {
      const bytes = Buffer.concat(this.#chunks);
      onReply({ status: this.statusCode, headers: this.#headers, body: bytes.toString('utf8'), bytes });
    });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.headersSent = true;
    this.#chunks.push(chunk);
    done();
  }

  setHeader(name: string, value: unknown): this {
    this.#headers[name.toLowerCase()] = String(value);
    return this;
  }

  writeHead(status: number, headers: Readonly<Record<string, unknown>> = {}): this {
    this.statusCode = status;
    this.headersSent = true;
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value);
    return this;
  }

  writeContinue(): void {}

  /** Whoever reads takes what is sent. */
  setTimeout(): this {
    return this;
  }

  forServer(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}
