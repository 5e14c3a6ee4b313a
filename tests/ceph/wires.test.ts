import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, createFileResumeStore, uploadFile } from '@cos-slice/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { PART_BYTES, startCosPlace, startS3Place, type WirePlace } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';
const KINDS: readonly (readonly [name: string, start: () => Promise<WirePlace>])[] = [
  ['S3', () => startS3Place(endpoint)],
  ['the XML API of COS', () => startCosPlace(endpoint)],
  ['the XML API of COS, strict', () => startCosPlace(endpoint, true)],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-wires-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(!ceph).each(KINDS)('over %s, on Ceph', (_name, start) => {
  let place: WirePlace;
  beforeAll(async () => {
    place = await start();
  });
  afterAll(() => place?.close());
  /** Whether it is there, and what it should be. Matchers would compare number by number. */
  const holds = async (path: string, content: Buffer): Promise<boolean> => (await place.read(path)).equals(content);
  const to = (path: string) => ({ ...place.options, path, sliceSize: PART_BYTES, resume: false }) as const;

  test('a file with an MD5 of each part, attributes, and progress', async () => {
    const file = join(folder, 'film.bin');
    const content = randomBytes(20 * PART_BYTES);
    await writeFile(file, content);
    const fractions: number[] = [];
    const options = { ...to('film.bin'), integrity: 'md5', attributes: 'für alle' } as const;
    await uploadFile(file, { ...options, onProgress: ({ fraction }) => fractions.push(fraction) }).done;
    expect(await holds('film.bin', content)).toBe(true);
    expect(fractions.at(-1)).toBe(1);
    const client = createClient(place.options);
    expect(await client.stat('film.bin')).toMatchObject({ attributes: 'für alle', sizeBytes: content.length });
  });

  test('the CRC-64 of what is stored is held against what was sent, in one request and in parts', async () => {
    // Ceph has none of its own.
    if (!place.facade) return;
    for (const sizeBytes of [0, 1000, 12 * PART_BYTES + 17]) {
      const content = randomBytes(sizeBytes);
      const path = `crc64/${sizeBytes}`;
      await uploadFile(content, { ...to(path), integrity: 'crc64' }).done;
      expect(await holds(path, content)).toBe(true);
    }
    const asked = place.facade.seen.filter(({ method, path }) => method === 'HEAD' && path.startsWith('/crc64/'));
    expect(asked).toHaveLength(1);
  });

  test('goes on past 1,000 parts where an earlier run ended, and sends none of them again', async () => {
    const parts = 1300;
    const file = join(folder, 'many.bin');
    const content = randomBytes(parts * PART_BYTES);
    await writeFile(file, content);
    const resume = createFileResumeStore({ dir: join(folder, `state-${place.bucket}`) });
    const cancel = new AbortController();
    const options = { ...to('many.bin'), resume, concurrency: 8 };
    const first = uploadFile(file, { ...options, signal: cancel.signal });
    const left = new Error('it ends here');
    first.subscribe(({ progress }) => {
      if (progress.slices.stored > 1100) cancel.abort(left);
    });
    await expect(first.done).rejects.toBe(left);
    const second = await uploadFile(file, options).done;
    expect(second.resumedBytes).toBeGreaterThan(1000 * PART_BYTES);
    expect(second.sentBytes + second.resumedBytes).toBe(content.length);
    expect(await holds('many.bin', content)).toBe(true);
    expect(await place.unfinished()).toEqual([]);
  });

  test('large parts go several at once, and none of them is held in memory', async () => {
    // Its own memory would be counted, too.
    if (place.facade) return;
    const partBytes = 48 * 1024 * 1024;
    const content = randomBytes(4 * partBytes);
    const file = join(folder, 'large.bin');
    await writeFile(file, content);
    const options = { ...to('large.bin'), sliceSize: partBytes, concurrency: 4, integrity: 'md5' } as const;
    const before = process.memoryUsage().arrayBuffers;
    const upload = uploadFile(file, options);
    let [inFlight, heldBytes] = [0, 0];
    upload.subscribe(({ progress }) => {
      inFlight = Math.max(inFlight, progress.slices.inFlight);
      heldBytes = Math.max(heldBytes, process.memoryUsage().arrayBuffers - before);
    });
    expect(await upload.done).toMatchObject({ sentBytes: content.length });
    // Two of them are more than the memory there is, if they were held; progress is told now and then only.
    expect(inFlight).toBeGreaterThan(2);
    expect(heldBytes).toBeLessThan(partBytes);
    expect(await holds('large.bin', content)).toBe(true);
  });

  test('objects: stat, list, copy, move, directories, remove', async () => {
    const client = createClient(place.options);
    const content = randomBytes(1000);
    const names = ['a b.txt', 'c+d.txt', '腾.txt', 'sub/e.txt', 'sub/f.txt'];
    for (const name of names) await client.upload(content, `objects/${name}`).done;
    const listed: string[] = [];
    for await (const { path, kind } of client.list('objects/', { pageSize: 2 })) listed.push(`${kind} ${path}`);
    expect(listed).toEqual([
      'file objects/a b.txt',
      'file objects/c+d.txt',
      'directory objects/sub/',
      'file objects/腾.txt',
    ]);
    expect(await client.stat('objects/')).toMatchObject({ kind: 'directory', name: 'objects' });
    await client.copy('objects/腾.txt', 'objects/copy %.txt');
    await expect(client.copy('objects/腾.txt', 'objects/copy %.txt')).rejects.toMatchObject({ code: 'exists' });
    await client.move('objects/copy %.txt', 'objects/moved.txt');
    expect(await holds('objects/moved.txt', content)).toBe(true);
    await expect(place.read('objects/copy %.txt')).rejects.toThrow('404');
    await expect(client.remove('objects/sub/')).rejects.toMatchObject({ code: 'not-empty' });
    await expect(client.remove('objects/none.txt')).rejects.toMatchObject({ code: 'not-found' });
    await client.createDirectory('objects/new/');
    await expect(client.createDirectory('objects/new/')).rejects.toMatchObject({ code: 'exists' });
    await client.remove('objects/new/');
    await expect(client.stat('objects/new/')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('downloads: in parts to a file, and from a signed URL', async () => {
    const client = createClient(place.options);
    const content = randomBytes(20_000_000);
    await client.upload(content, 'big ü.bin').done;
    const file = join(folder, `down-${place.bucket}.bin`);
    expect(await client.download('big ü.bin', file).done).toMatchObject({ sizeBytes: content.length });
    expect((await readFile(file)).equals(content)).toBe(true);
    const response = await fetch(await client.downloadUrl('big ü.bin'));
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
    await expect(client.download('none.bin', file, { overwrite: true }).done).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});

describe.skipIf(!ceph)('the XML API of COS in trouble', () => {
  let place: WirePlace;
  beforeAll(async () => {
    place = await startCosPlace(endpoint);
  });
  afterAll(() => place?.close());
  /** Whether it is there, and what it should be. Matchers would compare number by number. */
  const holds = async (path: string, content: Buffer): Promise<boolean> => (await place.read(path)).equals(content);
  const to = (path: string) =>
    ({
      ...place.options,
      path,
      sliceSize: PART_BYTES,
      resume: false,
      retry: { baseDelayMs: 10 },
    }) as const;

  test('one signature serves all parts of a file', async () => {
    await uploadFile(randomBytes(30 * PART_BYTES), { ...to('economy'), concurrency: 4 }).done;
    const parts = place.facade?.seen.filter(({ path, query }) => path === '/economy' && query.has('partNumber')) ?? [];
    expect(parts).toHaveLength(30);
    expect(new Set(parts.map(({ signature }) => signature)).size).toBe(1);
  });

  test.each(['lost', 'answer-lost'] as const)('every request is %s once: the object is there, once', async (fault) => {
    const content = randomBytes(12 * PART_BYTES);
    const path = `faults/${fault}`;
    const known = new Set<string>();
    if (place.facade) {
      place.facade.fault = ({ method, path: at, query }) => {
        const name = `${method} ${at} ${query.get('partNumber')} ${query.has('uploads')} ${query.has('uploadId')}`;
        if (!at.endsWith(path) || known.has(name)) return undefined;
        known.add(name);
        return fault;
      };
    }
    await uploadFile(content, to(path)).done;
    expect(await holds(path, content)).toBe(true);
    expect(known.size).toBeGreaterThan(13);
  });

  test('a finish that is answered with 200 and an error is one that has failed: it is tried again', async () => {
    const content = randomBytes(3 * PART_BYTES);
    let failures = 0;
    if (place.facade) {
      place.facade.fault = ({ method, query }) => {
        if (method !== 'POST' || !query.has('uploadId') || failures === 2) return undefined;
        failures += 1;
        const body = failures === 1 ? '   <Error><Code>InternalError</Code><Message>no</Message></Error>' : '   ';
        return { status: 200, body };
      };
    }
    await uploadFile(content, to('merged')).done;
    expect(failures).toBe(2);
    expect(await holds('merged', content)).toBe(true);
  });

  test('what has become of a part on the way is found out: it goes out again', async () => {
    const content = randomBytes(3 * PART_BYTES);
    let refused = 0;
    if (place.facade) {
      place.facade.fault = ({ query }) => {
        if (query.get('partNumber') !== '2' || refused === 2) return undefined;
        refused += 1;
        const code = refused === 1 ? 'BadDigest' : 'UserNetworkTooSlow';
        return { status: 400, body: `<Error><Code>${code}</Code><Message>no</Message></Error>` };
      };
    }
    await uploadFile(content, to('digest')).done;
    expect(await holds('digest', content)).toBe(true);
  });
});
