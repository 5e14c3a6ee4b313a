import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { runInNewContext } from 'node:vm';
import { patternBytes } from '@cos-slice/core/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UploadSource } from './sources.ts';
import { uploadFile } from './upload-file.ts';

const MIB = 1024 * 1024;

interface DiscardServer {
  readonly endpoint: string;
  /** Content bytes by operation, in order of arrival. */
  readonly seen: { op: string; bodyBytes: number }[];
  readonly server: Server;
}

/** Speaks just enough of the protocol to take everything and keep nothing. */
async function startDiscardServer(): Promise<DiscardServer> {
  const seen: DiscardServer['seen'] = [];
  const server = createServer(async (request, response) => {
    let head = '';
    let bodyBytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (head.length < 2000) head += chunk.toString('latin1', 0, 2000);
      bodyBytes += chunk.length;
    }
    const field = (name: string): string => new RegExp(`name="${name}"\r\n\r\n([^\r]*)`).exec(head)?.[1] ?? '';
    const op = field('op');
    seen.push({ op, bodyBytes });
    const location = { access_url: 'http://a/', source_url: 'http://s/', url: 'http://u/', resource_path: '/r' };
    const data =
      {
        upload_slice_init: { session: 's', slice_size: MIB },
        upload_slice_data: { session: 's', offset: Number(field('offset')), datalen: MIB, datamd5: field('datamd5') },
      }[op] ?? location;
    response.end(JSON.stringify({ code: 0, message: 'SUCCESS', data, request_id: 'r' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/v2`, seen, server };
}

let dir: string;
let discard: DiscardServer;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-'));
  discard = await startDiscardServer();
});
afterAll(async () => {
  discard.server.close();
  await rm(dir, { recursive: true });
});
const options = () => ({
  endpoint: discard.endpoint,
  appId: '1',
  bucket: 'b',
  path: 'a.bin',
  signer: () => 'c2ln',
  resume: false as const,
});

test('uploads paths, file URLs, bytes and streams of both kinds', async () => {
  const bytes = patternBytes(3 * MIB);
  const path = join(dir, 'a.bin');
  await writeFile(path, bytes);
  const sources: UploadSource[] = [
    path,
    new URL(`file://${path}`),
    bytes,
    bytes.buffer,
    Buffer.from(bytes),
    { stream: Readable.from([bytes]), sizeBytes: bytes.length },
    { stream: new Blob([bytes]).stream(), sizeBytes: bytes.length },
  ];
  for (const source of sources) {
    discard.seen.length = 0;
    const result = await uploadFile(source, options()).done;
    expect(result.sentBytes).toBe(bytes.length);
    expect(discard.seen.filter(({ op }) => op === 'upload_slice_data')).toHaveLength(3);
  }
});

test('a stream that cannot work is refused at once, with every issue', () => {
  const upload = () =>
    uploadFile({ stream: new PassThrough(), sizeBytes: Number.NaN }, { ...options(), integrity: 'sha1' });
  expect(upload).toThrow(
    expect.objectContaining({
      code: 'invalid-options',
      issues: [expect.objectContaining({ option: 'sizeBytes' }), expect.objectContaining({ option: 'integrity' })],
    }),
  );
});

test('something else than a source is refused at once', () => {
  for (const source of [undefined, null, 42, {}, [1], { path: 'a' }]) {
    expect(() => uploadFile(source as never, options())).toThrow(expect.objectContaining({ code: 'invalid-options' }));
  }
});

test('options that JavaScript lets through are named', () => {
  const wrong: [unknown, string][] = [
    [undefined, 'options'],
    [null, 'options'],
    ['options', 'options'],
    [{ ...options(), dispatcher: {} }, 'dispatcher'],
    [{ ...options(), proxy: 'proxy:3128' }, 'proxy'],
    [{ ...options(), proxy: true }, 'proxy'],
    [{ ...options(), mayGrow: 'yes' }, 'mayGrow'],
    [{ ...options(), mayGrow: true }, 'mayGrow'],
  ];
  for (const [given, option] of wrong) {
    const expected = expect.objectContaining({
      code: 'invalid-options',
      issues: [expect.objectContaining({ option })],
    });
    expect(() => uploadFile(new Uint8Array(1), given as never)).toThrow(expected);
  }
});

test("bytes, URLs and streams of another realm's classes are as good", async () => {
  const path = join(dir, 'realm.bin');
  await writeFile(path, 'content');
  const { bytes, buffer } = runInNewContext('({ bytes: new Uint8Array(3), buffer: new ArrayBuffer(4) })');
  const url = {
    href: `file://${path}`,
    protocol: 'file:',
    pathname: path,
    hostname: '',
    host: '',
    search: '',
    hash: '',
  };
  const stream = {
    on() {},
    destroy() {},
    [Symbol.asyncIterator]: () => Readable.from([Buffer.from('12345')]).iterator(),
  };
  const sent = [];
  for (const source of [bytes, buffer, url, { stream, sizeBytes: 5 }]) {
    sent.push((await uploadFile(source as UploadSource, options()).done).sentBytes);
  }
  expect(sent).toEqual([3, 4, 7, 5]);
});

test('a file that is not there fails the upload', async () => {
  await expect(uploadFile(join(dir, 'none'), options()).done).rejects.toMatchObject({ code: 'source-unreadable' });
});

/** Less than connections and workers are kept for, in case there is more to do. */
const EXIT_MS = 3500;

/** Runs an ES module in a process of its own, from the built package. */
async function run(script: string): Promise<{ output: string; exitCode: number; exitDelayMs: number }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  let saidAtMs = Date.now();
  child.stdout.on('data', (chunk) => {
    output += chunk;
    saidAtMs = Date.now();
  });
  const [exitCode] = await once(child, 'close');
  return { output, exitCode, exitDelayMs: Date.now() - saidAtMs };
}

describe('the process', () => {
  for (const [kind, sizeMiB, source, integrity] of [
    ['file', 1024, 'path', 'md5'],
    ['file hashed first', 512, 'path', 'sha1'],
    ['stream', 512, '{ stream: createReadStream(path), sizeBytes: 512 * 1048576 }', 'md5'],
  ] as const) {
    test(`keeps its memory flat over a ${kind} of ${sizeMiB} MiB, and ends when the upload has`, async () => {
      const path = join(dir, 'large.bin');
      await writeFile(path, '');
      await truncate(path, sizeMiB * MIB);
      const { output, exitCode, exitDelayMs } = await run(`
        import { createReadStream } from 'node:fs';
        import { uploadFile } from '@cos-slice/node';
        const path = ${JSON.stringify(path)};
        const startBytes = process.memoryUsage.rss();
        let peakBytes = 0;
        setInterval(() => { peakBytes = Math.max(peakBytes, process.memoryUsage.rss()); }, 10).unref();
        const { sentBytes } = await uploadFile(${source}, {
          ...${JSON.stringify({ ...options(), integrity })}, signer: () => 'c2ln', concurrency: 8,
        }).done;
        console.log(JSON.stringify({ sentBytes, grownMiB: (peakBytes - startBytes) / 1048576 }));`);
      expect(exitCode).toBe(0);
      const { sentBytes, grownMiB } = JSON.parse(output);
      // A busy machine may let a connection go stale, and a slice is sent again.
      expect(sentBytes).toBeGreaterThanOrEqual(sizeMiB * MIB);
      // Eight slices, the workers (about 15 MiB each), undici, and what the collector has not got round to.
      expect(grownMiB).toBeLessThan(160);
      expect(exitDelayMs).toBeLessThan(EXIT_MS);
    });
  }

  test.skipIf(process.platform === 'win32')('ends an upload that is cancelled while files do not answer', async () => {
    const pipe = join(dir, 'nobody-writes');
    execFileSync('mkfifo', [pipe]);
    const path = join(dir, 'behind.bin');
    await writeFile(path, new Uint8Array(3 * MIB));
    const { output } = await run(`
      import { open } from 'node:fs';
      import { uploadFile } from '@cos-slice/node';
      // Every thread that could do file work waits for ever, as for a mount whose server is gone.
      const hang = () => { for (let i = 0; i < 4; i += 1) open(${JSON.stringify(pipe)}, () => {}); };
      const begin = (signal) => uploadFile(${JSON.stringify(path)}, {
        ...${JSON.stringify(options())}, signer: () => 'c2ln', concurrency: 1, singleRequestMax: 0, signal,
      });
      const [early, late] = [new AbortController(), new AbortController()];
      const sending = begin(late.signal);
      sending.subscribe(({ phase }) => phase === 'sending' && hang());
      await new Promise((resolve) => sending.subscribe(({ phase }) => phase === 'sending' && resolve()));
      const opening = begin(early.signal);
      const startedAtMs = performance.now();
      setTimeout(() => { early.abort(new Error('early')); late.abort(new Error('late')); }, 300);
      for (const { done } of [opening, sending]) await done.catch((error) => console.log(error.message));
      console.log(performance.now() - startedAtMs < 20000);
      process.kill(process.pid, 'SIGKILL');`);
    expect(output.trim().split('\n')).toEqual(['early', 'late', 'true']);
  });

  test.skipIf(process.platform === 'win32')('waits while too many files are open, and goes on', async () => {
    const path = join(dir, 'many.bin');
    await writeFile(path, patternBytes(3 * MIB));
    const script = `
      import { closeSync, openSync } from 'node:fs';
      import { uploadFile } from '@cos-slice/node';
      const options = { ...${JSON.stringify(options())}, signer: () => 'c2ln', concurrency: 2 };
      // One first, so that what is loaded lazily is there.
      await uploadFile(new Uint8Array(10), options).done;
      const taken = [];
      try { for (;;) taken.push(openSync('/dev/null')); } catch {}
      setTimeout(() => taken.splice(0).map(closeSync), 700);
      const all = ['md5', 'sha1', 'md5'].map((integrity) => uploadFile(${JSON.stringify(path)}, { ...options, integrity }).done);
      const fates = await Promise.allSettled(all);
      console.log(fates.map(({ status, reason }) => reason?.message ?? status).join());`;
    const child = spawn(
      'sh',
      ['-c', 'ulimit -n 100 && exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script],
      {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    await once(child, 'close');
    expect(output.trim()).toBe('fulfilled,fulfilled,fulfilled');
  });

  test("sends through the runtime's own dispatcher, of whichever version of undici", async () => {
    const { output } = await run(`
      import { uploadFile } from '@cos-slice/node';
      await fetch('data:,');
      const dispatcher = globalThis[Symbol.for('undici.globalDispatcher.1')];
      const options = { ...${JSON.stringify(options())}, signer: () => 'c2ln', dispatcher };
      console.log((await uploadFile(new Uint8Array(3 * 1048576), options).done).sentBytes);
      const wrong = { dispatch() { throw new Error('invalid handler'); } };
      console.log(await uploadFile(new Uint8Array(10), { ...options, dispatcher: wrong }).done.catch((error) => error.message));`);
    expect(output).toBe('3145728\ninvalid options: dispatcher cannot send (invalid handler): give one of undici 7\n');
  });

  test('ends when an upload is cancelled while it connects', async () => {
    const { output, exitCode, exitDelayMs } = await run(`
      import { execFileSync, spawn } from 'node:child_process';
      import { connect } from 'node:net';
      import { once } from 'node:events';
      import { uploadFile } from '@cos-slice/node';
      const child = spawn(process.execPath, ['-e', \`
        const server = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
          require('fs').writeSync(1, String(server.address().port));
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20000);
        });\`], { stdio: ['ignore', 'pipe', 'ignore'] });
      const [port] = await once(child.stdout, 'data');
      const fillers = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}));
      await new Promise((resolve) => setTimeout(resolve, 100));
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error('enough')), 200);
      await uploadFile(new Uint8Array(3000000), {
        ...${JSON.stringify(options())}, signer: () => 'c2ln', endpoint: 'http://127.0.0.1:' + port, signal: controller.signal,
      }).done.catch((error) => console.log(error.message));
      for (const filler of fillers) filler.destroy();
      child.stdout.destroy(); child.unref(); process.on('exit', () => child.kill('SIGKILL'));`);
    expect([output.trim(), exitCode]).toEqual(['enough', 0]);
    expect(exitDelayMs).toBeLessThan(EXIT_MS);
  });
});
