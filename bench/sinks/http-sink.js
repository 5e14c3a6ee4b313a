// @ts-check
// An HTTP/1.1 server on bare sockets that throws bodies away. What is measured is the client, so the other end of the
// connection must cost as little as JavaScript allows: no streams, no header objects, one pass over the bytes.
import { createServer } from 'node:net';

/**
 * @typedef {object} SinkRequest
 * @property {string} method
 * @property {string} url
 * @property {string} head Request line and headers as they came.
 * @property {string} peek The beginning of the body, latin1.
 * @property {number} bodyBytes
 *
 * @typedef {object} SinkReply
 * @property {number} [status]
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 *
 * @typedef {(request: SinkRequest) => SinkReply} SinkHandler
 */

const PEEK_BYTES = 4096;
const MAX_HEAD_BYTES = 64 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * @param {SinkHandler} handler
 * @returns {Promise<number>} the port
 */
export function listenSink(handler) {
  const server = createServer({ noDelay: true }, (socket) => {
    const reader = createReader(handler, (text) => socket.write(text, 'latin1'));
    socket.on('data', (chunk) => {
      if (!reader(chunk)) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}

/**
 * @param {SinkHandler} handler
 * @param {(text: string) => void} write
 * @returns {(chunk: Buffer) => boolean} false: this is not HTTP
 */
function createReader(handler, write) {
  /** @type {Buffer | undefined} */
  let pending;
  let head = '';
  let inBody = false;
  let left = 0;
  let bodyBytes = 0;
  /** @type {Buffer[]} */
  let peeked = [];
  let peekedBytes = 0;
  /** @type {ReturnType<typeof createChunkReader> | undefined} */
  let chunks;

  /** @param {Buffer} bytes */
  const take = (bytes) => {
    bodyBytes += bytes.length;
    if (peekedBytes >= PEEK_BYTES) return;
    peeked.push(bytes.subarray(0, PEEK_BYTES - peekedBytes));
    peekedBytes += Math.min(bytes.length, PEEK_BYTES - peekedBytes);
  };
  const answer = () => {
    const [method = '', url = ''] = head.slice(0, head.indexOf('\r\n')).split(' ');
    const peek = Buffer.concat(peeked).toString('latin1');
    write(format(handler({ method, url, head, peek, bodyBytes })));
    inBody = false;
    peeked = [];
    peekedBytes = 0;
    bodyBytes = 0;
  };

  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (inBody) {
        if (chunks) {
          const used = chunks(chunk, at, take);
          at += used.bytes;
          if (used.done) answer();
          continue;
        }
        const bytes = Math.min(left, chunk.length - at);
        take(bytes === chunk.length ? chunk : chunk.subarray(at, at + bytes));
        left -= bytes;
        at += bytes;
        if (left === 0) answer();
        continue;
      }
      const rest = pending ? Buffer.concat([pending, chunk.subarray(at)]) : chunk.subarray(at);
      const end = rest.indexOf(HEAD_END);
      if (end < 0) {
        if (rest.length > MAX_HEAD_BYTES) return false;
        pending = Buffer.from(rest);
        return true;
      }
      at = chunk.length - (rest.length - end - HEAD_END.length);
      pending = undefined;
      head = rest.toString('latin1', 0, end + 2);
      inBody = true;
      left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      chunks = /\r\ntransfer-encoding: *chunked/i.test(head) ? createChunkReader() : undefined;
      if (/\r\nexpect: *100-continue/i.test(head)) write('HTTP/1.1 100 Continue\r\n\r\n');
      if (left === 0 && !chunks) answer();
    }
    return true;
  };
}

/** Takes the body out of `Transfer-Encoding: chunked`; trailers are not expected. */
function createChunkReader() {
  let line = '';
  let left = 0;
  /** @type {'size' | 'data' | 'end-of-data' | 'end'} */
  let state = 'size';
  /** @param {Buffer} chunk @param {number} from @param {(bytes: Buffer) => void} take */
  return (chunk, from, take) => {
    let at = from;
    while (at < chunk.length) {
      if (state === 'data') {
        const bytes = Math.min(left, chunk.length - at);
        take(chunk.subarray(at, at + bytes));
        left -= bytes;
        at += bytes;
        if (left === 0) state = 'end-of-data';
        continue;
      }
      const char = chunk[at];
      at += 1;
      if (char !== 10) {
        if (char !== 13) line += String.fromCharCode(char ?? 0);
        continue;
      }
      if (state === 'end') return { bytes: at - from, done: true };
      if (state === 'size') {
        left = Number.parseInt(line, 16);
        state = left === 0 ? 'end' : 'data';
      } else {
        state = 'size';
      }
      line = '';
    }
    return { bytes: at - from, done: false };
  };
}

/** @param {SinkReply} reply */
function format({ status = 200, headers = {}, body = '' }) {
  let text = `HTTP/1.1 ${status} X\r\n`;
  for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`;
  return `${text}Content-Length: ${body.length}\r\n\r\n${body}`;
}
