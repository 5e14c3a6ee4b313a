import { expect } from '../../engine/target.ts';

export interface Reply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

const LINES_END = Buffer.from('\r\n\r\n');

/**
 * The replies in what a server has written.
 *
 * @param methods of the requests, one for each reply
 * @throws Defect for what is none, or not whole
 */
export function readReplies(output: Buffer, methods: readonly string[]): Reply[] {
  const replies: Reply[] = [];
  let rest = output;
  while (rest.length > 0) {
    const end = rest.indexOf(LINES_END);
    expect(end >= 0, `no end of a head: ${told(rest)}`);
    const [line = '', ...lines] = rest.toString('latin1', 0, end).split('\r\n');
    const [, status] = /^HTTP\/1\.1 (\d{3}) [\x20-\x7e]+$/.exec(line) ?? [];
    expect(status !== undefined, `no status: ${JSON.stringify(line)}`);
    const headers = new Map<string, string>();
    for (const text of lines) {
      const [, name = '', value = ''] = /^([\w-]+): ([\x20-\x7e\x80-\xff]*)$/.exec(text) ?? [];
      expect(name !== '', `no header: ${JSON.stringify(text)}`);
      headers.set(name.toLowerCase(), value);
    }
    rest = rest.subarray(end + LINES_END.length);
    if (status === '100') continue;
    const method = methods[replies.length] ?? '';
    const taken = takeBody(rest, Number(status), headers, method);
    replies.push({ status: Number(status), headers, body: taken.body });
    rest = taken.rest;
  }
  return replies;
}

function takeBody(
  rest: Buffer,
  status: number,
  headers: ReadonlyMap<string, string>,
  method: string,
): { readonly body: Buffer; readonly rest: Buffer } {
  if (method === 'HEAD' || status === 204 || status === 304) return { body: Buffer.alloc(0), rest };
  const length = headers.get('content-length');
  if (length !== undefined) {
    expect(/^\d+$/.test(length) && Number(length) <= rest.length, `${rest.length} bytes of ${length}`);
    return { body: rest.subarray(0, Number(length)), rest: rest.subarray(Number(length)) };
  }
  // What lasts until the connection ends has an end, too.
  if (headers.get('connection') === 'close' && !headers.has('transfer-encoding'))
    return { body: rest, rest: rest.subarray(rest.length) };
  expect(headers.get('transfer-encoding') === 'chunked', 'a body without a length');
  const chunks: Buffer[] = [];
  for (;;) {
    const end = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.toString('latin1', 0, Math.max(0, end)), 16);
    expect(end > 0 && size >= 0 && rest.length >= end + size + 4, `no chunk: ${told(rest)}`);
    chunks.push(rest.subarray(end + 2, end + 2 + size));
    rest = rest.subarray(end + size + 4);
    if (size === 0) return { body: Buffer.concat(chunks), rest };
  }
}

function told(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1').slice(0, 100));
}

/** @throws Defect when a reply is none that a client can go by */
export function checkReply({ status, headers, body }: Reply): void {
  const type = headers.get('content-type') ?? '';
  expect(status < 500 || status === 503, `the server says ${status}: ${told(body)}`);
  const isRefusal = status >= 400 && status !== 416;
  if (isRefusal && body.length > 0) expect(type.startsWith('application/json'), `${status} in ${type}`);
  if (!type.startsWith('application/json') || body.length === 0) return;
  // What is downloaded may be called anything.
  if (headers.has('etag')) return;
  const { code, message, request_id } = parse(body);
  expect(typeof code === 'number' && typeof message === 'string', `no code and message: ${told(body)}`);
  expect((code === 0) === (status === 200), `${status} with the code ${code}`);
  expect(typeof request_id === 'string' || code === -5999, `no request_id: ${told(body)}`);
  expect(!/[\r\n]/.test(message), `a message of several lines: ${JSON.stringify(message)}`);
  expect(status !== 503 || (code === -5997 && headers.has('retry-after')), `503 with the code ${code}`);
}

function parse(body: Buffer): { code?: unknown; message?: unknown; request_id?: unknown } {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new Error(`no JSON: ${told(body)}`);
  }
}
