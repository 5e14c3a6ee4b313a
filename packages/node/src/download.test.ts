import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { patternBytes } from '@cos-slice/core/testing';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Client, createClient } from './client.ts';

const MIB = 1024 * 1024;
const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

interface Served {
  bytes: Buffer;
  etag: string | undefined;
  /** What stat tells; undefined: that of the bytes, false: none. */
  sha: string | false | undefined;
  mtime: number;
  /** Instead of an answer, or before it. @returns whether it has answered */
  meddle?(req: IncomingMessage, res: ServerResponse, index: number): boolean;
}

/** Speaks just enough of the protocol to tell of one object and to send it, in parts where that is asked for. */
async function serve(
  facts: Partial<Served>,
): Promise<{ client: Client; served: Served; ranges: (string | undefined)[] }> {
  const served: Served = { bytes: Buffer.alloc(0), etag: '"1"', sha: undefined, mtime: 1_600_000_000, ...facts };
  const ranges: (string | undefined)[] = [];
  const server = createServer((req, res) => {
    const { bytes, etag, sha, mtime } = served;
    if (req.url?.includes('op=stat')) {
      const told = sha === false ? '' : (sha ?? sha1(bytes));
      const url = `http://127.0.0.1:${port}/object`;
      const data = { filesize: bytes.length, sha: told, mtime, access_url: url };
      return res.end(JSON.stringify({ code: 0, message: 'SUCCESS', data }));
    }
    ranges.push(req.headers.range);
    if (served.meddle?.(req, res, ranges.length - 1)) return;
    const ifRange = req.headers['if-range'];
    const asked = ifRange === undefined || ifRange === etag ? req.headers.range : undefined;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(asked ?? '') ?? [];
    const [start, end] = asked ? [Number(first), Number(last)] : [0, bytes.length - 1];
    res.writeHead(asked ? 206 : 200, {
      'Content-Length': end - start + 1,
      ...(etag !== undefined && { ETag: etag }),
      ...(asked && { 'Content-Range': `bytes ${start}-${end}/${bytes.length}` }),
    });
    res.end(bytes.subarray(start, end + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = createClient({
    endpoint: `http://127.0.0.1:${port}/files/v2`,
    appId: '1',
    bucket: 'b',
    signer: () => 'U0lHTkFUVVJF',
    retry: { baseDelayMs: 1, attempts: 4 },
    concurrency: 6,
    proxy: false,
  });
  return { client, served, ranges };
}

/** Sends a part of the object, then breaks the connection. */
const breakOff = (res: ServerResponse, { bytes, etag }: Served, sent: number): boolean => {
  res.writeHead(200, { 'Content-Length': bytes.length, ...(etag !== undefined && { ETag: etag }) });
  res.write(bytes.subarray(0, sent), () => setTimeout(() => res.destroy(), 20));
  return true;
};

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-get-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
});

describe('to a file', () => {
  test.each([0, 1, 8 * MIB, 8 * MIB + 1, 20 * MIB + 7])('%i bytes come as they are', async (sizeBytes) => {
    const { client, served, ranges } = await serve({ bytes: Buffer.from(patternBytes(sizeBytes)) });
    const file = join(dir, 'out.bin');
    const fractions: number[] = [];
    const download = client.download('a.bin', file, { onProgress: ({ fraction }) => fractions.push(fraction) });
    expect(await download.done).toEqual({ sizeBytes, resumedBytes: 0, sha1: sha1(served.bytes) });
    expect((await readFile(file)).equals(served.bytes)).toBe(true);
    expect(await readdir(dir)).toEqual(['out.bin']);
    expect(ranges).toHaveLength(Math.ceil(sizeBytes / (8 * MIB)));
    expect(fractions).toEqual([...fractions].sort((one, other) => one - other));
    expect(download.state).toMatchObject({ phase: 'done', progress: { fraction: 1 } });
  });

  test('goes on where the connection broke', async () => {
    const bytes = Buffer.from(patternBytes(3 * MIB));
    const { client, ranges } = await serve({
      bytes,
      meddle: (_req, res, index) => index === 0 && breakOff(res, { bytes, etag: '"1"', sha: '', mtime: 0 }, MIB),
    });
    await client.download('a', join(dir, 'a')).done;
    expect((await readFile(join(dir, 'a'))).equals(bytes)).toBe(true);
    expect(ranges).toHaveLength(2);
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-3145727$/);
  });

  test('that was cancelled goes on in another run, and asks for nothing twice', async () => {
    const bytes = Buffer.from(patternBytes(40 * MIB));
    const controller = new AbortController();
    const { client, served, ranges } = await serve({
      bytes,
      // The third one hangs.
      meddle: (_req, _res, index) => index === 2,
    });
    const file = join(dir, 'a');
    const onProgress = ({ receivedBytes }: { readonly receivedBytes: number }): void => {
      if (receivedBytes === 32 * MIB) controller.abort(new Error('enough'));
    };
    const { done } = client.download('a', file, { signal: controller.signal, onProgress });
    await expect(done).rejects.toThrow('enough');
    expect((await readdir(dir)).sort()).toEqual(['a.part', 'a.part.json']);
    expect(await readFile(`${file}.part.json`, 'utf8')).not.toContain('U0lHTkFUVVJF');
    delete served.meddle;
    ranges.length = 0;
    const { resumedBytes } = await client.download('a', file).done;
    expect(resumedBytes).toBe(32 * MIB);
    expect(ranges).toHaveLength(1);
    expect((await readFile(file)).equals(bytes)).toBe(true);
    expect(await readdir(dir)).toEqual(['a']);
  });

  test.each<[string, Partial<Served>]>([
    ['other content of the same size', { bytes: Buffer.alloc(24 * MIB, 7), etag: '"2"' }],
    ['another size', { bytes: Buffer.alloc(23 * MIB, 7), etag: '"2"' }],
    ['another time and nothing else to go by', { bytes: Buffer.alloc(24 * MIB, 7), sha: false, mtime: 1_600_000_001 }],
  ])('begins anew when meanwhile there is %s', async (_what, other) => {
    const controller = new AbortController();
    const { client, served } = await serve({
      bytes: Buffer.from(patternBytes(24 * MIB)),
      sha: other.sha,
      meddle: (_req, _res, index) => index === 1 && setTimeout(() => controller.abort(), 200) !== undefined,
    });
    const file = join(dir, 'a');
    await client.download('a', file, { signal: controller.signal }).done.catch(() => {});
    expect(existsSync(`${file}.part`)).toBe(true);
    delete served.meddle;
    Object.assign(served, other);
    const { resumedBytes } = await client.download('a', file).done;
    expect(resumedBytes).toBe(0);
    expect((await readFile(file)).equals(served.bytes)).toBe(true);
  });

  test.each<[string, Partial<Served>]>([
    ['by its ETag', { etag: '"2"' }],
    ['by its size', { bytes: Buffer.alloc(25 * MIB) }],
  ])('is never of two objects: one that changes half-way is told %s', async (_how, other) => {
    const { client, served } = await serve({
      bytes: Buffer.alloc(24 * MIB, 1),
      sha: false,
      meddle: (_req, _res, index) => {
        if (index === 1) Object.assign(served, { bytes: Buffer.alloc(24 * MIB, 2) }, other);
        return false;
      },
    });
    await expect(client.download('a', join(dir, 'a')).done).rejects.toMatchObject({ code: 'object-changed' });
    expect(await readdir(dir)).toEqual([]);
  });

  test('is checked by its SHA-1 and not put in place when that differs', async () => {
    const { client } = await serve({ bytes: Buffer.from('content'), sha: 'a'.repeat(40) });
    await expect(client.download('a', join(dir, 'a')).done).rejects.toMatchObject({ code: 'integrity' });
    expect(await readdir(dir)).toEqual([]);
  });

  test('a file that is there is left alone, unless it may be replaced', async () => {
    const { client } = await serve({ bytes: Buffer.from('new') });
    const file = join(dir, 'a');
    await writeFile(file, 'old');
    await expect(client.download('a', file).done).rejects.toMatchObject({ code: 'exists' });
    expect(await readFile(file, 'utf8')).toBe('old');
    await client.download('a', file, { overwrite: true }).done;
    expect(await readFile(file, 'utf8')).toBe('new');
  });

  test('a file that comes there meanwhile is not replaced', async () => {
    const file = join(dir, 'a');
    const { client } = await serve({
      bytes: Buffer.from('new'),
      meddle: () => void writeFile(file, 'somebody else') === undefined && false,
    });
    await expect(client.download('a', file).done).rejects.toMatchObject({ code: 'exists' });
    expect(await readFile(file, 'utf8')).toBe('somebody else');
  });

  test.skipIf(!existsSync('/dev/full'))('a full disk is told, and that what has come is kept', async () => {
    const { client } = await serve({ bytes: Buffer.alloc(MIB) });
    await symlink('/dev/full', join(dir, 'a.part'));
    await expect(client.download('a', join(dir, 'a')).done).rejects.toMatchObject({
      code: 'target-unwritable',
      message: expect.stringMatching(/disk is full \(ENOSPC\).*a\.part/),
    });
    expect(existsSync(join(dir, 'a'))).toBe(false);
    expect(existsSync(join(dir, 'a.part'))).toBe(true);
  });

  test('a folder that is missing, and a path that is a folder, are told', async () => {
    const { client } = await serve({ bytes: Buffer.alloc(1) });
    for (const [to, message] of [
      [join(dir, 'none', 'a'), /no folder/],
      [dir, /is a directory/],
    ] as const) {
      await expect(client.download('a', to).done).rejects.toMatchObject({
        code: 'target-unwritable',
        message: expect.stringMatching(message),
      });
    }
  });

  test('pauses break off what is on its way and lose nothing', async () => {
    const bytes = Buffer.from(patternBytes(2 * MIB));
    const { client, ranges } = await serve({
      bytes,
      meddle(_req, res, index) {
        if (index > 0) return false;
        res.writeHead(200, { 'Content-Length': bytes.length, ETag: '"1"' });
        res.write(bytes.subarray(0, MIB));
        return true;
      },
    });
    const download = client.download('a', join(dir, 'a'));
    await new Promise<void>((resolve) => {
      download.subscribe(({ progress }) => progress.receivedBytes === MIB && resolve());
    });
    download.pause();
    expect(download.state.paused).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(ranges).toHaveLength(1);
    download.resume();
    await download.done;
    expect(ranges).toEqual([undefined, `bytes=${MIB}-${2 * MIB - 1}`]);
    expect((await readFile(join(dir, 'a'))).equals(bytes)).toBe(true);
  });

  test.each([
    [404, -197, 'not-found'],
    [403, -97, 'unauthorized'],
  ])('HTTP %i with code %i is %s', async (status, code, name) => {
    const { client } = await serve({
      bytes: Buffer.alloc(1),
      meddle(_req, res) {
        res.writeHead(status).end(JSON.stringify({ code, message: 'ERROR' }));
        return true;
      },
    });
    await expect(client.download('a', join(dir, 'a')).done).rejects.toMatchObject({ code: name });
    expect(existsSync(join(dir, 'a'))).toBe(false);
  });

  /** Whatever part is asked for, all comes. */
  const whole = (res: ServerResponse, { bytes, etag }: Served, sent = bytes.length): boolean => {
    res.writeHead(200, { 'Content-Length': bytes.length, ...(etag !== undefined && { ETag: etag }) });
    if (sent === bytes.length) res.end(bytes);
    else res.write(bytes.subarray(0, sent), () => setTimeout(() => res.destroy(), 20));
    return true;
  };

  test('of a server that sends whole objects only comes in one piece, and goes on where it broke', async () => {
    const { client, served, ranges } = await serve({ bytes: Buffer.from(patternBytes(17 * MIB)) });
    served.meddle = (_req, res, index) => whole(res, served, index === 1 ? 3 * MIB : undefined);
    await client.download('a', join(dir, 'a')).done;
    expect((await readFile(join(dir, 'a'))).equals(served.bytes)).toBe(true);
    expect(ranges).toHaveLength(3);
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('begins anew when a server no longer sends parts', async () => {
    const controller = new AbortController();
    const { client, served } = await serve({ bytes: Buffer.from(patternBytes(40 * MIB)) });
    const onProgress = ({ receivedBytes }: { readonly receivedBytes: number }): void => {
      if (receivedBytes >= 16 * MIB) controller.abort();
    };
    served.meddle = (_req, _res, index) => index > 2;
    await client.download('a', join(dir, 'a'), { signal: controller.signal, onProgress }).done.catch(() => {});
    served.meddle = (_req, res) => whole(res, served);
    await client.download('a', join(dir, 'a')).done;
    expect((await readFile(join(dir, 'a'))).equals(served.bytes)).toBe(true);
  });

  test('a pipe by the name of its note is not waited for', async () => {
    const { client, served } = await serve({ bytes: Buffer.from(patternBytes(1000)) });
    execFileSync('mkfifo', [join(dir, 'a.part.json')]);
    await client.download('a', join(dir, 'a')).done;
    expect((await readFile(join(dir, 'a'))).equals(served.bytes)).toBe(true);
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('another download to the same file is refused, until the first one has ended', async () => {
    const { client, served } = await serve({ bytes: Buffer.from(patternBytes(MIB)), meddle: () => true });
    const controller = new AbortController();
    const first = client.download('a', join(dir, 'a'), { signal: controller.signal });
    await expect.poll(() => existsSync(join(dir, 'a.part.lock'))).toBe(true);
    await expect(client.download('a', join(dir, 'a')).done).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringMatching(/is downloading to .*a already/),
    });
    controller.abort(new Error('enough'));
    await expect(first.done).rejects.toThrow('enough');
    delete served.meddle;
    await client.download('a', join(dir, 'a')).done;
    expect(await readdir(dir)).toEqual(['a']);
  });

  test('waits for what one that was given up still has to write, however slow the disk', async () => {
    const { client, served } = await serve({ bytes: Buffer.from(patternBytes(MIB)), meddle: () => true });
    const controller = new AbortController();
    const first = client.download('a', join(dir, 'a'), { signal: controller.signal });
    await expect.poll(() => existsSync(join(dir, 'a.part'))).toBe(true);
    const any = await open(join(dir, 'a.part'));
    const disk = Object.getPrototypeOf(any);
    await any.close();
    let goOn = (): void => {};
    const slow = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const datasync = vi.spyOn(disk, 'datasync').mockReturnValue(slow);
    onTestFinished(() => datasync.mockRestore());
    controller.abort(new Error('enough'));
    await expect.poll(() => datasync.mock.calls.length).toBe(1);
    delete served.meddle;
    const second = client.download('a', join(dir, 'a'));
    setTimeout(goOn, 100);
    await second.done;
    await expect(first.done).rejects.toThrow('enough');
    expect(await readdir(dir)).toEqual(['a']);
  });
});

describe('to a stream', () => {
  test('comes in order, and waits for who reads it', async () => {
    const { client, served } = await serve({ bytes: Buffer.from(patternBytes(20 * MIB)) });
    const stream = new PassThrough();
    const chunks: Buffer[] = [];
    const { done } = client.download('a', stream);
    for await (const chunk of stream) chunks.push(chunk);
    await done;
    expect(Buffer.concat(chunks).equals(served.bytes)).toBe(true);
  });

  test('what does not come whole destroys it', async () => {
    const { client } = await serve({ bytes: Buffer.from('content'), sha: 'a'.repeat(40) });
    const stream = new PassThrough();
    stream.resume();
    let ended = false;
    stream.on('end', () => {
      ended = true;
    });
    await expect(client.download('a', stream).done).rejects.toMatchObject({ code: 'integrity' });
    expect(stream.destroyed).toBe(true);
    expect(ended).toBe(false);
  });

  test.each(['write', 'final'])('one that stands still in %s ends with a download that is cancelled', async (where) => {
    const { client } = await serve({ bytes: Buffer.alloc(4 * MIB) });
    const controller = new AbortController();
    const stop = (): void => controller.abort(new Error('enough'));
    const stream = new Writable({
      write: (_chunk, _encoding, done) => (where === 'write' ? stop() : done()),
      final: stop,
    });
    await expect(client.download('a', stream, { signal: controller.signal }).done).rejects.toThrow('enough');
    expect(stream.destroyed).toBe(true);
  });

  test('one that takes no more ends the download', async () => {
    const { client } = await serve({ bytes: Buffer.alloc(4 * MIB) });
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no more')) });
    await expect(client.download('a', stream).done).rejects.toMatchObject({
      code: 'target-unwritable',
      message: expect.stringContaining('no more'),
    });
  });
});

test.each([undefined, '', 7, new URL('http://x/')])('a target of %j is refused at once', async (to) => {
  const { client, ranges } = await serve({});
  expect(() => client.download('a', to as string)).toThrow(/to must be the path of a file/);
  expect(() => client.download('a/', join(dir, 'a'))).toThrow(/path must name a file/);
  expect(ranges).toHaveLength(0);
});
