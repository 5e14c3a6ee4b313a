import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { answerPage, startCrc64 } from '@cos-slice/testkit/bucket';
import Cos from 'cos-nodejs-sdk-v5';
import { s3 } from './s3.ts';

/** A request as it came, and the signature that let it in. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly signature: string;
}

/** What happens to a request: it never arrives, it is carried out and its answer lost, or it is answered with this. */
export type Fault = 'lost' | 'answer-lost' | { readonly status: number; readonly body: string } | undefined;

export interface FacadeOptions {
  /** Default: any. */
  readonly port?: number;
  /** By how much its clock is ahead. */
  readonly aheadMs?: number;
}

export interface CosFacade {
  readonly port: number;
  /** Of one bucket. */
  readonly endpoint: string;
  readonly seen: readonly Seen[];
  fault: (seen: Seen) => Fault;
  close(): Promise<void>;
}

const SECRET = { SecretId: 'AKIDcos', SecretKey: 'cos secret' };
export const COS_CREDENTIALS = { secretId: SECRET.SecretId, secretKey: SECRET.SecretKey };

/**
 * A bucket of COS, as far as a bucket of Ceph can be one: signatures are checked by the vendor's own code, `x-cos-` stands for
 * `x-amz-`, numbers of parts follow each other, what is there is kept by COS's own header, finish is answered at once and
 * blanks are sent while parts are merged, the ETag of an object in parts tells nothing, and the CRC-64 of what is stored is told.
 */
export async function startCosFacade(
  ceph: string,
  bucket: string,
  { port = 0, aheadMs = 0 }: FacadeOptions = {},
): Promise<CosFacade> {
  const nowMs = (): number => Date.now() + aheadMs;
  /** What keeps what is there, by path: one after the other, so that what was looked at stays so until it is made. */
  const turns = new Map<string, Promise<void>>();
  const inTurn = (path: string, act: () => Promise<void>): Promise<void> => {
    const mine = (turns.get(path) ?? Promise.resolve()).catch(() => {}).then(act);
    turns.set(path, mine);
    return mine;
  };
  const seen: Seen[] = [];
  const crc = await startCrc64('x-cos-');
  const facade = { fault: (_seen: Seen): Fault => undefined };

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { pathname, search, searchParams: query } = new URL(req.url ?? '/', 'http://h');
    const { method = 'GET' } = req;
    const shown = ['ETag', 'Date', 'x-cos-request-id', 'x-cos-meta-cos-slice-upload', crc.header];
    if (answerPage(req, res, shown)) return;
    const body = await buffer(req);
    const signature = req.headers.authorization ?? search.slice(1);
    const one = { method, path: pathname, query, signature };
    seen.push(one);
    const fault = facade.fault(one);
    if (fault === 'lost') return void req.socket.destroy();
    res.setHeader('Date', new Date(nowMs()).toUTCString());
    const wrong = refusalOf(req, decodeURIComponent(pathname), query, signature, nowMs());
    if (wrong) return refuse(res, 403, ...wrong);
    if (typeof fault === 'object') return void res.writeHead(fault.status).end(fault.body);

    const act = (): Promise<void> => carryOut(req, res, one, body, fault);
    return req.headers['x-cos-forbid-overwrite'] === 'true' ? inTurn(pathname, act) : act();
  };

  const carryOut = async (
    req: IncomingMessage,
    res: ServerResponse,
    { method, path: pathname, query }: Seen,
    body: Buffer,
    fault: Fault,
  ): Promise<void> => {
    const path = `/${bucket}${pathname}`;
    const finishes = method === 'POST' && query.has('uploadId');
    if (req.headers['x-cos-forbid-overwrite'] === 'true') {
      const there = await s3(ceph, 'HEAD', path);
      if (there.status === 200) return refuse(res, 409, 'FileAlreadyExists', 'it is there');
    }
    if (finishes && !isContiguous(body.toString())) return refuse(res, 400, 'InvalidPart', 'numbers do not follow');
    for (const name of [...query.keys()]) if (/^(q-|x-cos-)/.test(name)) query.delete(name);
    const text = [...query]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .join('&');
    if (finishes && fault === undefined) {
      res.writeHead(200, { 'Content-Type': 'application/xml' });
      res.write('<?xml version="1.0" encoding="UTF-8"?>\n');
      for (let blanks = 0; blanks < 3; blanks += 1) {
        await delay(20);
        res.write(' ');
      }
    }
    const headers = Object.fromEntries(
      Object.entries(req.headers).flatMap(([name, value]) =>
        typeof value === 'string' && /^(x-cos-|content-md5$|content-type$|range$|if-)/.test(name)
          ? [[name.replace('x-cos-', 'x-amz-'), name === 'x-cos-copy-source' ? sourceOf(value, bucket) : value]]
          : [],
      ),
    );
    const given = body.length > 0 || method === 'PUT' || method === 'POST';
    const reply = await s3(ceph, method, text === '' ? path : `${path}?${text}`, {
      headers: { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      ...(given && { body: new Uint8Array(body) }),
    });
    if (fault === 'answer-lost') return void req.socket.destroy();
    // Ceph names no ETag there.
    const result = reply.text.replace(/^<\?.*?\?>/, '').replace('<ETag></ETag>', '<ETag>"0-1"</ETag>');
    if (res.headersSent) return void res.end(result);
    const told: Record<string, string> = { 'x-cos-request-id': 'facade' };
    reply.headers.forEach((value, name) => {
      if (/^(etag|content-type|content-range|last-modified)$/.test(name)) told[name] = value;
      if (name.startsWith('x-amz-')) told[name.replace('x-amz-', 'x-cos-')] = value;
    });
    if (told.etag?.includes('-')) told.etag = '"0123456789abcdef0123456789abcdef-1"';
    if (method === 'PUT' && reply.status === 200) told[crc.header] = crc.of(body);
    if (method === 'HEAD' && reply.status === 200) told[crc.header] = crc.of((await s3(ceph, 'GET', path)).bytes);
    const length = method === 'HEAD' ? reply.headers.get('content-length') : String(reply.bytes.length);
    res.writeHead(reply.status, { ...told, ...(length !== null && { 'content-length': length }) });
    res.end(reply.bytes);
  };

  const server = createServer(
    (req, res) => void answer(req, res).catch((error) => refuse(res, 500, 'InternalError', String(error))),
  );
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const bound = (server.address() as AddressInfo).port;
  return Object.assign(facade, {
    port: bound,
    endpoint: `http://127.0.0.1:${bound}`,
    seen,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

export function refuse(res: ServerResponse, status: number, code: string, message: string): void {
  const body = `<?xml version='1.0'?><Error><Code>${code}</Code><Message>${message}</Message><RequestId>facade</RequestId></Error>`;
  if (!res.headersSent) res.writeHead(status, { 'Content-Type': 'application/xml' });
  res.end(body);
}

/** What is wrong with a signature, by the vendor's own code: what it says to cover must be there, and sign to the same. */
export function refusalOf(
  req: IncomingMessage,
  path: string,
  query: URLSearchParams,
  signature: string,
  nowMs: number = Date.now(),
): [code: string, message: string] | undefined {
  const fields = new URLSearchParams(signature.replace(/\+/g, '%2B'));
  const [start = 0, end = 0] = (fields.get('q-sign-time') ?? '').split(';').map(Number);
  const nowSec = nowMs / 1000;
  if (fields.get('q-ak') !== SECRET.SecretId) return ['InvalidAccessKeyId', 'unknown'];
  if (nowSec < start - 900) return ['RequestTimeTooSkewed', 'too early'];
  if (nowSec > end) return ['AccessDenied', 'Request has expired'];
  const listOf = (name: string) => (fields.get(name) ?? '').split(';').filter(Boolean);
  const params = new Map([...query].map(([name, value]) => [name.toLowerCase(), value]));
  const expected = Cos.getAuthorization({
    ...SECRET,
    Method: req.method ?? 'GET',
    Pathname: path,
    Query: Object.fromEntries(listOf('q-url-param-list').map((name) => [name, params.get(name) ?? 'missing'])),
    Headers: Object.fromEntries(listOf('q-header-list').map((name) => [name, String(req.headers[name] ?? 'missing')])),
    KeyTime: `${start};${end}`,
  } as Parameters<typeof Cos.getAuthorization>[0]);
  const right = new URLSearchParams(expected.replace(/\+/g, '%2B')).get('q-signature');
  return fields.get('q-signature') === right ? undefined : ['SignatureDoesNotMatch', 'no'];
}

function isContiguous(text: string): boolean {
  return [...text.matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].every(
    ([, number], index) => Number(number) === index + 1,
  );
}

/** The host of the source names its bucket. */
function sourceOf(text: string, bucket: string): string {
  return `${bucket}${text.slice(text.indexOf('/'))}`;
}
