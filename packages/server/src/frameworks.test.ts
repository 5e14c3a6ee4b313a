import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createHttp2Server, type OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import express from 'express';
import createFastify from 'fastify';
import { Hono } from 'hono';
import multer from 'multer';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSliceServer, type SliceServer } from './server.ts';
import { fileStore } from './store/files/file-store.ts';
import { formBody, formHeaders, type Reply, send } from './testing/client.ts';
import { temporaryDir } from './testing/server.ts';
import { ACCOUNT, sign } from './testing/sign.ts';
import { createUploader } from './testing/upload.ts';

async function createSlices(): Promise<SliceServer> {
  const slices = createSliceServer({ store: fileStore(await temporaryDir()), accounts: [ACCOUNT], publicRead: true });
  onTestFinished(() => slices.close());
  return slices;
}

/** @returns its origin */
async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const OBJECT = '/10055004/demobucket/dir/a%20b';

/** Uploads below a base and downloads what the announced URL has. */
async function expectUploads(origin: string, base: string): Promise<void> {
  const upload = createUploader(`${origin}${base}${OBJECT}`);
  const { code, data } = (await upload.all()).json();
  expect([code, data.access_url]).toEqual([0, `${origin}${base}${OBJECT}`]);
  expect((await send(data.access_url, { method: 'GET' })).body.equals(upload.bytes)).toBe(true);
}

describe('inside of a framework', () => {
  test.each(['/files/v2', '/', '/api', '/api/files/v2'])('Express, mounted at %s', async (mount) => {
    const slices = await createSlices();
    const app = express();
    app.use(mount, (req, res) => slices.handle(req, res));
    const base = mount.endsWith('/files/v2') ? mount : `${mount === '/' ? '' : mount}/files/v2`;
    await expectUploads(await listen(createServer(app)), base);
  });

  test('Express, in a router of a router', async () => {
    const slices = await createSlices();
    const inner = express.Router().use('/files/v2', (req, res) => slices.handle(req, res));
    const app = express().use('/a', express.Router().use('/b', inner));
    await expectUploads(await listen(createServer(app)), '/a/b/files/v2');
  });

  test('Fastify', async () => {
    const slices = await createSlices();
    const app = createFastify();
    app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
      scope.all('/files/v2/*', (request, reply) => {
        reply.hijack();
        return slices.handle(request.raw, reply.raw);
      });
    });
    onTestFinished(() => app.close());
    await expectUploads(await app.listen(), '/files/v2');
  });

  test('Hono', async () => {
    const slices = await createSlices();
    const app = new Hono<{ Bindings: HttpBindings }>();
    app.all('/files/v2/*', async ({ env }) => {
      await slices.handle(env.incoming as IncomingMessage, env.outgoing as ServerResponse);
      return RESPONSE_ALREADY_SENT;
    });
    await expectUploads(await listen(createServer(getRequestListener(app.fetch))), '/files/v2');
  });
});

test('over HTTP/2 requests are answered as well', async () => {
  const slices = await createSlices();
  const server = createHttp2Server((req, res) => slices.handle(req as never, res as never)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = connect(origin);
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  const ask = async (headers: OutgoingHttpHeaders, body?: Buffer) => {
    const stream = client.request({ ':path': `/files/v2${OBJECT}`, ...headers });
    stream.end(body);
    const [head] = await once(stream, 'response');
    return { status: head[':status'], body: await buffer(stream) };
  };
  const content = Buffer.alloc(3_000_000, 'content');
  const upload = { ':method': 'POST', ...formHeaders() };
  const stored = await ask(upload, formBody({ op: 'upload', filecontent: content }));
  expect(JSON.parse(stored.body.toString()).data.access_url).toBe(`${origin}/files/v2${OBJECT}`);
  expect((await ask({})).body.equals(content)).toBe(true);
  const refused = await ask({ ...upload, Authorization: 'nonsense' }, formBody({ op: 'upload', filecontent: content }));
  expect([refused.status, JSON.parse(refused.body.toString()).code]).toEqual([403, -48]);
});

describe('a body that was read before', () => {
  const address = `/files/v2${OBJECT}`;
  const LIST = { op: 'upload_slice_list' };
  const asJson = { headers: { Authorization: sign(), 'Content-Type': 'application/json' }, body: JSON.stringify(LIST) };
  const asText = {
    headers: { Authorization: sign(), 'Content-Type': 'application/x-www-form-urlencoded' },
    body: 'op=upload_slice_list',
  };
  const asForm = { headers: formHeaders(), body: formBody(LIST) };
  const withContent = { headers: formHeaders(), body: formBody({ op: 'upload', filecontent: 'x' }) };

  async function ask(
    request: { headers: Record<string, string>; body: string | Buffer },
    ...parsers: express.RequestHandler[]
  ): Promise<Reply> {
    const slices = await createSlices();
    const app = express();
    for (const parser of parsers) app.use(parser);
    app.use((req, res) => slices.handle(req, res));
    return send((await listen(createServer(app))) + address, request);
  }

  test.each([
    ['express.json', asJson, express.json()],
    ['express.urlencoded', asText, express.urlencoded()],
    ['express.text', asText, express.text({ type: '*/*' })],
    ['express.raw, a form', asForm, express.raw({ type: '*/*' })],
    ['express.raw, JSON', asJson, express.raw({ type: '*/*' })],
    ['multer, without files', asForm, multer().none()],
    ['a parser of other bodies', asForm, express.json()],
  ])('by %s is taken from there', async (_, request, parser) => {
    expect((await ask(request, parser)).json().code).toBe(-197);
  });

  test('with content is taken from there when it is whole', async () => {
    expect((await ask(withContent, express.raw({ type: '*/*' }))).json().code).toBe(0);
    const rawBody: express.RequestHandler = (req, _res, next) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk) => chunks.push(chunk));
      req.on('end', () => next(void Object.assign(req, { rawBody: Buffer.concat(chunks), body: {} })));
    };
    expect((await ask(withContent, rawBody)).json().code).toBe(0);
  });

  const leaves =
    (body?: unknown): express.RequestHandler =>
    (req, _res, next) =>
      void req.on('end', () => next(void (body !== undefined && Object.assign(req, { body })))).resume();
  const swallow = leaves();
  const UNTYPED = { Authorization: sign() };

  test('as an empty object is one of JSON', async () => {
    const { status, body } = await ask({ ...asJson, body: '{}' }, express.json());
    expect([status, JSON.parse(body.toString()).message]).toEqual([400, expect.stringContaining('op')]);
    expect(body.toString()).not.toContain('was read before');
  });

  test.each([
    [
      'by multer, which has the file',
      {
        ...withContent,
        body: formBody([['op', 'upload']])
          .toString()
          .replace(
            /--\r\n$/,
            '\r\nContent-Disposition: form-data; name="filecontent"; filename="a"\r\n\r\nx\r\n------------------------------adb78d5a54eb--\r\n',
          ),
      },
      multer().any(),
    ],
    ['by express.text, which keeps no bytes', withContent, express.text({ type: '*/*' })],
    ['by nobody who kept it', asForm, swallow],
    ['by nobody who kept the JSON', asJson, swallow],
    ['by somebody who left an empty object for a form', asForm, leaves({})],
    ['by somebody who left an empty object for nobody knows what', { ...asForm, headers: UNTYPED }, leaves({})],
    ['by somebody who left nothing', asJson, leaves(null)],
    ['by somebody who left a list', asJson, leaves([1])],
    ['by somebody who left a number', asJson, leaves(7)],
  ])('%s is refused at once with the reason', async (_, request, parser) => {
    const reply = await ask(request, parser);
    expect([reply.status, reply.json().code]).toEqual([400, -5999]);
    expect(reply.json().message).toMatch(/the body was read before/);
  });

  test('by a middleware of Hono is refused at once, too', async () => {
    const slices = await createSlices();
    const app = new Hono<{ Bindings: HttpBindings }>();
    app.use(async ({ req }, next) => {
      await req.text();
      await next();
    });
    app.all('/files/v2/*', async ({ env }) => {
      await slices.handle(env.incoming as IncomingMessage, env.outgoing as ServerResponse);
      return RESPONSE_ALREADY_SENT;
    });
    const reply = await send((await listen(createServer(getRequestListener(app.fetch)))) + address, asForm);
    expect(reply.json().message).toMatch(/the body was read before/);
  });

  test('does not matter to requests without one', async () => {
    const slices = await createSlices();
    const app = express().use(express.json(), express.urlencoded(), swallow, (req, res) => slices.handle(req, res));
    const url = `${await listen(createServer(app))}${address}?op=upload_slice_list`;
    expect((await send(url, { headers: { Authorization: sign(), 'Content-Length': '0' } })).json().code).toBe(-197);
    expect((await send(url.replace(/\?.*/, ''), { method: 'GET' })).status).toBe(404);
  });
});
