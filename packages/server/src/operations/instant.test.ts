import { expect, test } from 'vitest';
import { post, send } from '../testing/client.ts';
import { distinctBytes, sha1 } from '../testing/content.ts';
import { startServer, type TestServer } from '../testing/server.ts';
import { ACCOUNT, sign } from '../testing/sign.ts';

const BYTES = distinctBytes(100_000);
const boundTo = (path: string) => sign({ f: `/${ACCOUNT.appId}/demobucket/${path}` });

async function tryInstant(server: TestServer, path: string, signature: string, op = 'upload_slice_init') {
  const fields = { op, filesize: BYTES.length, sha: sha1(BYTES), insertOnly: 0 };
  const { data } = (await post(server.urlOf(path), fields, signature)).json();
  return data.access_url === undefined ? 'session' : 'instant';
}

async function setUp(options = {}): Promise<TestServer> {
  const server = await startServer(options);
  await post(server.urlOf('private/salaries'), { op: 'upload', filecontent: BYTES });
  return server;
}

test.each([
  ['inbox/mallory', 'inbox/mallory', 'session'],
  ['private/salaries2', 'private/salaries2', 'session'],
  ['private/s', 'private/s', 'session'],
  ['private/sub', 'private/sub/x', 'session'],
  ['private', 'private/copy', 'instant'],
  ['private/', 'private/copy', 'instant'],
  ['', 'inbox/copy', 'instant'],
])('a signature bound to %j turns the SHA-1 of private/salaries into a new %s: %s', async (bound, path, expected) => {
  const server = await setUp();
  for (const op of ['upload_slice_init', 'upload_slice']) {
    expect(await tryInstant(server, path, boundTo(bound), op)).toBe(expected);
  }
  const read = await send(server.urlOf(path), { method: 'GET', headers: { Authorization: sign() } });
  expect(read.status).toBe(expected === 'instant' ? 200 : 404);
});

test('a signature for the whole bucket copies from all of it', async () => {
  expect(await tryInstant(await setUp(), 'inbox/mine', sign())).toBe('instant');
});

test.each([[{ instantFrom: 'bucket' }], [{ publicRead: true }]])(
  'every signature copies from all of the bucket where the operator says %j',
  async (options) => {
    const server = await setUp(options);
    expect(await tryInstant(server, 'inbox/mallory', boundTo('inbox/mallory'))).toBe('instant');
  },
);
