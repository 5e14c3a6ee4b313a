import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { cosProfile, cosXml, profiles, type ResumeRecord, type ResumeStore, s3, type Wire } from '@cos-slice/core';
import { type Bucket, startBucket } from '@cos-slice/testkit/bucket';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type UploadFileOptions, uploadFile } from './upload-file.ts';

const PART = 64 * 1024;
const PARTS = 9;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-crc64-'));
});
afterAll(() => rm(folder, { recursive: true }));

const WIRES: Record<string, (endpoint: string) => Wire> = {
  'the XML API of COS': (endpoint) =>
    cosXml({ region: 'sh', bucket: 'films', appId: 1, endpoint, profile: { ...cosProfile, minPartBytes: PART } }),
  S3: (endpoint) =>
    s3({ endpoint, bucket: 'films', pathStyle: true, profile: { ...profiles.aws, minPartBytes: PART } }),
};

describe.each(Object.entries(WIRES))('integrity crc64 over %s', (name, wireAt) => {
  const isS3 = name === 'S3';
  const key = isS3 ? 'films/film.bin' : 'film.bin';
  let bucket: Bucket;
  let file: string;
  let content: Buffer;
  let records: Map<string, ResumeRecord>;
  beforeAll(async () => {
    bucket = await startBucket(isS3 ? 'x-amz-' : 'x-cos-');
  });
  afterAll(() => bucket.close());
  beforeEach(async () => {
    bucket.reset();
    records = new Map();
    content = randomBytes((PARTS - 1) * PART + 1000);
    file = join(folder, `film-${Math.random()}.bin`);
    await writeFile(file, content);
  });

  const resume: ResumeStore = {
    load: async (id) => records.get(id),
    save: async (id, record) => void records.set(id, JSON.parse(JSON.stringify(record))),
    remove: async (id) => void records.delete(id),
  };
  const upload = (more: Partial<UploadFileOptions> = {}, source: Parameters<typeof uploadFile>[0] = file) =>
    uploadFile(source, {
      wire: wireAt(bucket.endpoint),
      signer: { secretId: 'a', secretKey: 'b' },
      path: 'film.bin',
      sliceSize: PART,
      singleRequestMax: 0,
      integrity: 'crc64',
      resume,
      retry: { attempts: 3, baseDelayMs: 1, maxDelayMs: 1 },
      ...more,
    });
  const isStored = () => bucket.objects.get(key)?.equals(content);
  const spoil = (bytes: Buffer): Buffer => {
    const other = Buffer.from(bytes);
    other[bytes.length >> 1] = (other[bytes.length >> 1] ?? 0) ^ 1;
    return other;
  };
  const isFinish = (request: string): boolean => request === 'POST uploadId';

  test('carries files, bytes, streams and what goes in one request', async () => {
    await upload().done;
    expect(isStored()).toBe(true);
    for (const source of [content, { stream: Readable.from([content]), sizeBytes: content.length }]) {
      bucket.objects.clear();
      await upload({}, source).done;
      expect(isStored()).toBe(true);
    }
    for (content of [Buffer.alloc(0), randomBytes(1), randomBytes(200_000)]) {
      bucket.objects.clear();
      await upload({ singleRequestMax: PART * 8 }, content).done;
      expect(isStored()).toBe(true);
    }
  });

  test('a part that is damaged once is sent again', async () => {
    let once = true;
    bucket.damage = (request, bytes) => {
      if (!once || !request.startsWith('PUT partNumber') || bytes.length < PART) return bytes;
      once = false;
      return spoil(bytes);
    };
    await upload().done;
    expect(isStored()).toBe(true);
    expect(bucket.sent.length).toBe(PARTS + 1);
  });

  test('a part that is damaged each time ends the upload', async () => {
    bucket.damage = (request, bytes) => (request.startsWith('PUT partNumber') ? spoil(bytes) : bytes);
    await expect(upload().done).rejects.toMatchObject({ code: 'integrity' });
    expect(bucket.objects.has(key)).toBe(false);
  });

  test('an object that is not what was sent is told, and no later run takes it for done', async () => {
    bucket.damage = (request, bytes) => (isFinish(request) ? spoil(bytes) : bytes);
    await expect(upload({ overwrite: true }).done).rejects.toMatchObject({ code: 'integrity', remedy: 'none' });
    expect(records.size).toBe(0);
    bucket.damage = (_request, bytes) => bytes;
    await upload({ overwrite: true }).done;
    expect(isStored()).toBe(true);
  });

  test('the answer to finish is lost: what is there is compared', async () => {
    for (const damages of [false, true]) {
      let lost = 0;
      bucket.objects.clear();
      bucket.fault = (request) => (isFinish(request) && lost++ === 0 ? 'answer-lost' : undefined);
      // S3 would have noticed by itself.
      const damaged = (bytes: Buffer): Buffer => (damages && !isS3 ? spoil(bytes) : bytes);
      bucket.damage = (request, bytes) => (isFinish(request) ? damaged(bytes) : bytes);
      const { done } = upload({ overwrite: true });
      if (damages && !isS3) await expect(done).rejects.toMatchObject({ code: 'integrity' });
      else await done;
      expect(isStored()).toBe(!(damages && !isS3));
      expect(bucket.uploads.size).toBe(0);
    }
  });

  test('the process ends while finish is under way: the next run compares what is there with what is on record', async () => {
    for (const damages of [false, true]) {
      const cancel = new AbortController();
      bucket.objects.clear();
      records.clear();
      bucket.fault = (request) => {
        if (!isFinish(request)) return undefined;
        cancel.abort(new Error('it ends here'));
        return 'answer-lost';
      };
      await expect(upload({ signal: cancel.signal }).done).rejects.toThrow('it ends here');
      bucket.fault = () => undefined;
      expect([...records.values()]).toMatchObject([
        { finishing: true, crc64: expect.stringMatching(/^[0-9a-f]{16}$/) },
      ]);
      // What was under way may arrive later.
      await expect.poll(() => bucket.objects.has(key)).toBe(true);
      bucket.sent.length = 0;
      if (damages) bucket.objects.set(key, spoil(content));
      if (damages) await expect(upload().done).rejects.toMatchObject({ code: 'integrity' });
      else await upload().done;
      expect(bucket.sent).toEqual([]);
    }
  });

  test('goes on where another run ended, compares its parts, and knows the whole', async () => {
    const cancel = new AbortController();
    bucket.fault = (request, account) => {
      if (account !== 'first' || !request.startsWith('PUT')) return undefined;
      if (bucket.sent.length < 4 && !cancel.signal.aborted) return undefined;
      cancel.abort();
      return 'lost';
    };
    const signer = { secretId: 'first', secretKey: 'b' };
    await upload({ signal: cancel.signal, signer, concurrency: 2 }).done.catch(() => {});
    const [parts] = [...bucket.uploads.values()].map((one) => one.parts);
    const known = [...(parts?.keys() ?? [])];
    parts?.set(known[0] ?? 0, randomBytes(PART));
    bucket.sent.length = 0;
    const { resumedBytes } = await upload().done;
    expect(isStored()).toBe(true);
    expect(resumedBytes).toBe((known.length - 1) * PART);
    expect(bucket.sent.length).toBe(PARTS - known.length + 1);
  });

  test('an upload that was begun without is begun anew', async () => {
    const cancel = new AbortController();
    bucket.fault = (request) => {
      if (!request.startsWith('PUT') || bucket.sent.length < 3) return undefined;
      cancel.abort();
      return 'lost';
    };
    await upload({ integrity: 'md5', signal: cancel.signal, concurrency: 1 }).done.catch(() => {});
    bucket.fault = () => undefined;
    await upload().done;
    expect(isStored()).toBe(true);
  });

  test('a server that does not tell the CRC-64 of the object is told of', async () => {
    bucket.hidesCrc = true;
    const { done } = upload();
    // S3 tells it in the answer to finish, which hides nothing.
    if (isS3) await done;
    else await expect(done).rejects.toMatchObject({ code: 'bad-reply', message: expect.stringContaining('crc64ecma') });
  });
});

test('is refused at once, with what there is, where a wire has none', () => {
  const options = { path: 'a', signer: { secretId: 'a', secretKey: 'b' }, integrity: 'crc64' } as const;
  const ceph = s3({ endpoint: 'http://h', bucket: 'b', profile: 'ceph' });
  expect(() => uploadFile(Buffer.alloc(1), { ...options, wire: ceph })).toThrowError(
    /integrity must be none or md5, got "crc64"/,
  );
  const json = { endpoint: 'http://h/files/v2', appId: '1', bucket: 'b', signer: () => 'c2ln' };
  expect(() => uploadFile(Buffer.alloc(1), { ...options, ...json })).toThrowError(
    /integrity must be none or md5 or sha1, got "crc64"/,
  );
});
