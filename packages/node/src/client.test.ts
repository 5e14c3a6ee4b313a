import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { createClient } from './client.ts';

test("an option that is there but undefined leaves the client's own in force", async () => {
  const bodies: string[] = [];
  const server = createServer(async (req, res) => {
    bodies.push(await text(req));
    res.end(JSON.stringify({ code: 0, message: 'SUCCESS', data: { access_url: 'http://host/' } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const client = createClient({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/v2`,
    appId: '1',
    bucket: 'b',
    signer: () => 'U0lHTkFUVVJF',
    overwrite: true,
    integrity: 'sha1',
    resume: false,
    proxy: false,
  });
  // Not what types allow, but what frameworks pass.
  const undefineds = { overwrite: undefined, integrity: undefined, resume: undefined } as unknown as object;
  for (const more of [{}, undefineds]) await client.upload(new Uint8Array(10), 'path', more).done;
  const sent = bodies.map((body) => [/name="insertOnly"\r\n\r\n(\d)/.exec(body)?.[1], /name="sha"/.test(body)]);
  expect(sent[1]).toEqual(sent[0]);
  expect(sent[0]).toEqual(['0', true]);
});
