import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { patternBytes, sourceContract } from '@cos-slice/core/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createClient } from './client.ts';
import { createBytesSource } from './source-bytes.ts';
import { openSource } from './sources.ts';

const { signal } = new AbortController();

interface Served {
  bytes: Uint8Array;
  etag: string;
  /** What is told of it; undefined: that of the bytes. */
  sha?: string;
}

/** Speaks just enough of the protocol to tell of one object and to send parts of it. */
async function serve(
  served: Served,
): Promise<{ object: ReturnType<ReturnType<typeof createClient>['object']>; ranges: string[] }> {
  const ranges: string[] = [];
  const server = createServer((req, res) => {
    const { bytes, etag, sha = createHash('sha1').update(bytes).digest('hex') } = served;
    if (req.url?.includes('op=stat')) {
      const data = { filesize: bytes.length, sha, mtime: 1_600_000_000, access_url: `http://127.0.0.1:${port}/object` };
      return res.end(JSON.stringify({ code: 0, message: 'SUCCESS', data }));
    }
    const range = req.headers.range ?? '';
    ranges.push(range);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [0, 0, bytes.length - 1];
    const part = bytes.subarray(Number(first), Number(last) + 1);
    const contentRange = `bytes ${first}-${last}/${bytes.length}`;
    res.writeHead(range ? 206 : 200, {
      'Content-Length': part.length,
      ETag: etag,
      ...(range && { 'Content-Range': contentRange }),
    });
    res.end(part);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${port}/files/v2`;
  const client = createClient({ endpoint, appId: '1', bucket: 'b', signer: () => 'U0lHTkFUVVJF', proxy: false });
  return { object: client.object('object'), ranges };
}

describe('contract', () => {
  for (const { name, run } of sourceContract<Uint8Array>()) {
    test(name, () =>
      run(async (bytes) => {
        const { object } = await serve({ bytes, etag: '"1"' });
        return { source: await object.open(signal), read: async (content) => content };
      }),
    );
  }
});

const BYTES = patternBytes(300_000);
const read = async (source: {
  slice(range: { offset: number; length: number }, signal: AbortSignal): Promise<unknown>;
}) => {
  for (let offset = 0; offset < BYTES.length; offset += 100_000)
    await source.slice({ offset, length: 100_000 }, signal);
};

test('while it is being opened, which takes its server’s time, the upload hears that nothing hangs', async () => {
  let opened = (_source: ReturnType<typeof createBytesSource>): void => {};
  const object = {
    path: 'object',
    open: () => new Promise<ReturnType<typeof createBytesSource>>((resolve) => (opened = resolve)),
  };
  const settings = { integrity: 'md5', mayGrow: false, directMax: 1, spoolMax: 1 } as const;
  const source = createBytesSource(BYTES);
  expect(await openSource(object, settings, signal, () => opened(source))).toBe(source);
});

test('asks for what is wanted, and for nothing else', async () => {
  const { object, ranges } = await serve({ bytes: BYTES, etag: '"1"' });
  await read(await object.open(signal));
  expect(ranges).toEqual(['bytes=0-99999', 'bytes=100000-199999', 'bytes=200000-299999']);
});

test('an object that has changed between two slices is not mixed with what it was', async () => {
  const served = { bytes: BYTES, etag: '"1"' };
  const source = await (await serve(served)).object.open(signal);
  await source.slice({ offset: 0, length: 100_000 }, signal);
  served.etag = '"2"';
  await expect(source.slice({ offset: 100_000, length: 100_000 }, signal)).rejects.toMatchObject({
    code: 'object-changed',
  });
});

test('one that has changed before the end is noticed', async () => {
  const served: Served = { bytes: BYTES, etag: '"1"' };
  const source = await (await serve(served)).object.open(signal);
  await read(source);
  served.sha = 'f'.repeat(40);
  await expect(source.verify?.(signal)).rejects.toMatchObject({ code: 'source-changed' });
});

test('what comes otherwise than its server says it is fails, in whichever order it has come', async () => {
  const served: Served = { bytes: BYTES, etag: '"1"', sha: 'f'.repeat(40) };
  const source = await (await serve(served)).object.open(signal);
  for (const offset of [100_000, 0, 200_000]) await source.slice({ offset, length: 100_000 }, signal);
  await expect(source.verify?.(signal)).rejects.toMatchObject({ code: 'integrity' });
});

test('what was not read in this run is not held against the digest', async () => {
  const served: Served = { bytes: BYTES, etag: '"1"', sha: 'f'.repeat(40) };
  const source = await (await serve(served)).object.open(signal);
  await source.slice({ offset: 200_000, length: 100_000 }, signal);
  await source.verify?.(signal);
});
