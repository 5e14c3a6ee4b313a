import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Another deployment of the protocol, as protocol section 1 tells of it: no `/files/v2`, slices of 4 MiB and nothing else,
 * sessions opened by urlencoded forms, a lifetime (`ttl`) with every object, and tokens instead of signatures, from a server
 * that wants HTTP Basic authentication. Strict, and everything is kept in memory.
 */
export interface Wos {
  /** URL prefix of objects. */
  readonly endpoint: string;
  readonly tokenUrl: string;
  /** What was asked of it, without tokens: `upload_slice_init urlencoded`. */
  readonly asked: readonly string[];
  readonly objects: ReadonlyMap<string, WosObject>;
  /** Tokens that were handed out. */
  readonly tokens: number;
  /** From now on every token that is there has expired. */
  expireTokens(): void;
  close(): Promise<void>;
}

export interface WosObject {
  readonly bytes: Buffer;
  readonly ttl: string | undefined;
}

interface Session extends Omit<WosObject, 'bytes'> {
  readonly sizeBytes: number;
  readonly slices: Map<number, Buffer>;
}

interface Reply {
  readonly status?: number;
  readonly code?: number;
  readonly message?: string;
  readonly data?: unknown;
}

const SLICE_BYTES = 4 * 1024 * 1024;
const KEY = 'the key of token server and storage';
export const WOS_ACCOUNT = { appId: 'kLmNoPq', bucket: 'films', secretId: 'secret id' };

export async function startWos(): Promise<Wos> {
  const asked: string[] = [];
  const objects = new Map<string, WosObject>();
  const sessions = new Map<string, Session>();
  const byPath = new Map<string, string>();
  let tokens = 0;
  let refusedUpTo = 0;

  const tokenText = (path: string): string => {
    tokens += 1;
    const text = `f=${encodeURIComponent(path)}&e=${Math.floor(Date.now() / 1000) + 3600}&r=${tokens}&op=upload`;
    const mac = createHmac('sha1', KEY).update(text).digest('base64');
    return Buffer.from(`${mac}:${text}`).toString('base64');
  };
  const hasExpired = (serial: number): boolean => serial <= refusedUpTo;
  /** @returns what is wrong with a token */
  const refusal = (token: string, path: string): Reply | undefined => {
    const [mac = '', text = ''] = Buffer.from(token, 'base64').toString().split(/:(.*)/s);
    if (mac !== createHmac('sha1', KEY).update(text).digest('base64')) return { status: 403, code: -97 };
    const fields = new URLSearchParams(text);
    if (fields.get('f') !== path) return { status: 403, code: -63 };
    return hasExpired(Number(fields.get('r')))
      ? { status: 403, code: -96, message: 'ERROR_PROXY_AUTH_EXPIRED' }
      : undefined;
  };

  const handToken = ({ url = '', headers }: IncomingMessage): Reply => {
    const basic = Buffer.from(`${WOS_ACCOUNT.appId}:${WOS_ACCOUNT.secretId}`).toString('base64');
    if (headers.authorization !== `Basic ${basic}`) return { status: 401, code: -1, message: 'who is it' };
    const query = new URL(url, 'http://wos').searchParams;
    if (query.get('bucket') !== WOS_ACCOUNT.bucket) return { code: -2, message: 'no such bucket' };
    return { data: tokenText(query.get('filename') ?? '') };
  };

  const serve = async (request: IncomingMessage): Promise<Reply> => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://wos');
    const prefix = `/${WOS_ACCOUNT.appId}/${WOS_ACCOUNT.bucket}/`;
    if (!pathname.startsWith(prefix)) return { status: 404, code: -133, message: 'no such bucket' };
    const path = decodeURIComponent(pathname.slice(prefix.length));
    const refused = refusal(request.headers.authorization ?? '', path);
    if (refused) return refused;
    const { kind, fields, content } = await readForm(request);
    const op = fields.get('op') ?? searchParams.get('op') ?? '';
    asked.push(`${op} ${kind}`);
    const object = objects.get(path);
    const ttl = fields.get('ttl');
    switch (op) {
      case 'upload':
        if (object && fields.get('insertOnly') !== '0') return { status: 409, code: -177 };
        if (!content || content.length > SLICE_BYTES) return { status: 400, code: -5999 };
        objects.set(path, { bytes: content, ttl });
        return { data: addressOf(path) };
      case 'upload_slice_init': {
        if (kind !== 'urlencoded' || fields.get('slice_size') !== String(SLICE_BYTES)) {
          return { status: 400, code: -284, message: 'slices of 4 MiB, in an urlencoded form' };
        }
        if (object && fields.get('insertOnly') !== '0') return { status: 409, code: -177 };
        if (byPath.has(path)) return { status: 409, code: -4019 };
        const session = createHash('sha1').update(`${path} ${sessions.size}`).digest('hex');
        sessions.set(session, { sizeBytes: Number(fields.get('filesize')), ttl, slices: new Map() });
        byPath.set(path, session);
        // As text: its clients turn it into a number.
        return { data: { session, slice_size: String(SLICE_BYTES) } };
      }
      case 'upload_slice_list': {
        const session = byPath.get(path);
        const { slices, sizeBytes } = sessions.get(session ?? '') ?? {};
        if (!slices) return object ? { data: addressOf(path) } : { status: 404, code: -197 };
        const listparts = [...slices].map(([offset, { length }]) => ({ offset, datalen: length }));
        return { data: { session, slice_size: String(SLICE_BYTES), filesize: sizeBytes, listparts } };
      }
      case 'upload_slice_data': {
        const session = sessions.get(fields.get('session') ?? '');
        const offset = Number(fields.get('offset'));
        if (!session) return { status: 404, code: -197 };
        const length = Math.min(SLICE_BYTES, session.sizeBytes - offset);
        if (!content || content.length !== length || offset % SLICE_BYTES !== 0) return { status: 400, code: -5999 };
        session.slices.set(offset, content);
        return { data: { session: fields.get('session'), offset, datalen: length } };
      }
      case 'upload_slice_finish': {
        const session = sessions.get(fields.get('session') ?? '');
        if (!session) return { status: 404, code: -197 };
        const parts = [...session.slices].sort(([one], [other]) => one - other).map(([, bytes]) => bytes);
        const bytes = Buffer.concat(parts);
        if (bytes.length !== session.sizeBytes) return { status: 400, code: -175 };
        objects.set(path, { bytes, ttl: session.ttl });
        sessions.delete(fields.get('session') ?? '');
        byPath.delete(path);
        return { data: addressOf(path) };
      }
      case 'stat':
        if (!object) return { status: 404, code: -197 };
        return {
          data: { name: path, filesize: String(object.bytes.length), ctime: 1_700_000_000, ...addressOf(path) },
        };
      case 'delete':
        return objects.delete(path) ? {} : { status: 404, code: -197 };
      default:
        return { status: 400, code: -5999 };
    }
  };

  let origin = '';
  const addressOf = (path: string) => ({
    access_url: `${origin}/public/${path}`,
    url: `${origin}/public/${path}`,
    resource_path: `/${WOS_ACCOUNT.appId}/${WOS_ACCOUNT.bucket}/${path}`,
  });
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://wos');
    const shared = objects.get(decodeURIComponent(pathname.replace('/public/', '')));
    if (request.method === 'GET' && pathname.startsWith('/public/') && shared) return void response.end(shared.bytes);
    const answering = pathname === '/get_token' ? handToken(request) : serve(request);
    const reply = await Promise.resolve(answering).catch((error) => {
      // Whoever is interrupted sends no more.
      if (!request.destroyed) throw error;
    });
    if (!reply) return;
    const { status = 200, code = 0, message = code === 0 ? 'SUCCESS' : 'ERROR', data } = reply;
    request.resume();
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ code, message, data }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint: origin,
    tokenUrl: `${origin}/get_token`,
    asked,
    objects,
    get tokens() {
      return tokens;
    },
    expireTokens() {
      refusedUpTo = tokens;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Form {
  readonly kind: 'urlencoded' | 'multipart' | 'none';
  readonly fields: ReadonlyMap<string, string>;
  readonly content?: Buffer | undefined;
}

async function readForm(request: IncomingMessage): Promise<Form> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const type = request.headers['content-type'] ?? '';
  if (body.length === 0) return { kind: 'none', fields: new Map() };
  if (type === 'application/x-www-form-urlencoded') {
    return { kind: 'urlencoded', fields: new Map(new URLSearchParams(body.toString())) };
  }
  const boundary = /boundary=(.+)$/.exec(type)?.[1] ?? '';
  const fields = new Map<string, string>();
  let content: Buffer | undefined;
  for (const [name, value] of partsOf(body, boundary)) {
    if (name === 'filecontent') content = value;
    else fields.set(name, value.toString());
  }
  return { kind: 'multipart', fields, content };
}

function* partsOf(body: Buffer, boundary: string): Generator<[name: string, value: Buffer]> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  let at = delimiter.length - 2;
  for (let end = body.indexOf(delimiter, at); end >= 0; end = body.indexOf(delimiter, at)) {
    const start = body.indexOf('\r\n\r\n', at) + 4;
    const name = / name="([^"]*)"/.exec(body.toString('utf8', at, start))?.[1] ?? '';
    yield [name, body.subarray(start, end)];
    at = end + delimiter.length;
  }
}
