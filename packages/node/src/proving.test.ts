import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cosXml, profiles, type ResumeRecord, type ResumeStore, s3, type Wire } from '@cos-slice/core';
import { type Bucket, startBucket } from '@cos-slice/testkit/bucket';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type UploadFileOptions, uploadFile } from './upload-file.ts';

const PART = 64 * 1024;
const PARTS = 12;
const LAST_BYTES = 1000;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-proving-'));
});
afterAll(() => rm(folder, { recursive: true }));

const WIRES: Record<string, (endpoint: string) => Wire> = {
  'the XML API of COS': (endpoint) => {
    const profile = { ...profiles.aws, prefix: 'x-cos-', minPartBytes: PART } as const;
    return cosXml({ region: 'sh', bucket: 'films', appId: 1, endpoint, profile });
  },
  S3: (endpoint) =>
    s3({ endpoint, bucket: 'films', pathStyle: true, profile: { ...profiles.aws, minPartBytes: PART } }),
};

describe.each(Object.entries(WIRES))('an upload over %s that is gone on with', (name, wireAt) => {
  const key = name === 'S3' ? 'films/film.bin' : 'film.bin';
  let bucket: Bucket;
  let file: string;
  let content: Buffer;
  let records: Map<string, ResumeRecord>;
  beforeAll(async () => {
    bucket = await startBucket(name === 'S3' ? 'x-amz-' : 'x-cos-');
  });
  afterAll(() => bucket.close());
  beforeEach(async () => {
    bucket.reset();
    records = new Map();
    content = randomBytes((PARTS - 1) * PART + LAST_BYTES);
    file = join(folder, `film-${Math.random()}.bin`);
    await writeFile(file, content);
  });

  const resume: ResumeStore = {
    load: async (id) => records.get(id),
    save: async (id, record) => void records.set(id, JSON.parse(JSON.stringify(record))),
    remove: async (id) => void records.delete(id),
  };
  const upload = (more: Partial<UploadFileOptions> = {}, source: string | Buffer = file) =>
    uploadFile(source, {
      wire: wireAt(bucket.endpoint),
      signer: { secretId: 'a', secretKey: 'b' },
      path: 'film.bin',
      sliceSize: PART,
      singleRequestMax: 0,
      resume,
      ...more,
    });

  /** Ends when some parts are stored. @returns their numbers, and where they are kept */
  async function begin(more: Partial<UploadFileOptions> = {}, source?: Buffer) {
    const cancel = new AbortController();
    // For good: what it has sent may arrive late.
    bucket.fault = (line, account) => {
      if (account !== 'first' || !line.startsWith('PUT')) return undefined;
      if (bucket.sent.length < 5 && !cancel.signal.aborted) return undefined;
      cancel.abort(new Error('it ends here'));
      return 'lost';
    };
    const first = upload(
      { ...more, concurrency: 2, signal: cancel.signal, signer: { secretId: 'first', secretKey: 'b' } },
      source,
    );
    await expect(first.done).rejects.toThrow('it ends here');
    const [parts] = [...bucket.uploads.values()].map((one) => one.parts);
    if (!parts) throw new Error('no upload');
    const known = [...parts.keys()];
    expect(known.length).toBeGreaterThanOrEqual(5);
    expect(known.length).toBeLessThan(PARTS);
    bucket.sent.length = 0;
    return { parts, known };
  }
  const missing = (known: readonly number[]): number[] =>
    Array.from({ length: PARTS }, (_, index) => index + 1).filter((number) => !known.includes(number));
  const isStored = () => bucket.objects.get(key)?.equals(content);
  const byNumber = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);
  const record = () => [...records.values()][0];

  test('sends what is missing, and nothing that is there', async () => {
    const { known } = await begin();
    const result = await upload().done;
    expect(byNumber(bucket.sent)).toEqual(missing(known));
    expect(result.resumedBytes).toBe(known.length * PART);
    expect(result.sentBytes).toBe(content.length - result.resumedBytes);
    expect(isStored()).toBe(true);
  });

  test.each(['md5', 'none'] as const)(
    'sends parts again that somebody has replaced since, after a run with integrity %s',
    async (integrity) => {
      const { parts, known } = await begin({ integrity });
      const [one = 0, other = 0] = known;
      parts.set(one, randomBytes(PART));
      parts.set(other, Buffer.concat([content.subarray((other - 1) * PART, other * PART - 1), randomBytes(1)]));
      const again = upload({ integrity: 'md5', concurrency: 3 });
      const result = await again.done;
      const differ = [one, other].filter(
        (number) => !parts.get(number)?.equals(content.subarray((number - 1) * PART, number * PART)),
      );
      expect(differ).toEqual([]);
      expect(new Set(bucket.sent)).toEqual(new Set([...missing(known), one, other]));
      expect(result.resumedBytes).toBe((known.length - 2) * PART);
      expect(isStored()).toBe(true);
    },
  );

  test('goes by size alone without MD5s', async () => {
    const { parts, known } = await begin();
    const [one = 0] = known;
    const other = randomBytes(PART);
    parts.set(one, other);
    await upload({ integrity: 'none' }).done;
    expect(byNumber(bucket.sent)).toEqual(missing(known));
    expect(
      bucket.objects
        .get(key)
        ?.subarray((one - 1) * PART, one * PART)
        .equals(other),
    ).toBe(true);
  });

  test('knows the parts that it has compared by their tags, and forgets those of a run that compared nothing', async () => {
    const { known } = await begin();
    const proven = record()?.proven ?? [];
    expect(proven.length).toBe(PARTS);
    expect(
      proven.flatMap((tag, index) => (tag === '' ? [] : [index + 1])).filter((one) => !known.includes(one)),
    ).toEqual([]);
    expect(proven.filter((tag) => tag !== '').length).toBeGreaterThanOrEqual(4);
    records.clear();
    bucket.uploads.clear();
    await begin({ integrity: 'none' });
    expect(record()?.proven).toBeUndefined();
  });

  test('compares what is in memory in the same way', async () => {
    const { parts, known } = await begin({ integrity: 'none' }, content);
    parts.set(known[0] ?? 0, randomBytes(PART));
    await upload({ integrity: 'md5' }, content).done;
    expect(isStored()).toBe(true);
  });

  test('with parts that all differ, and one request at a time, all is sent', async () => {
    const { parts, known } = await begin();
    for (const number of known) parts.set(number, randomBytes(PART));
    const result = await upload({ concurrency: 1 }).done;
    expect(byNumber(bucket.sent)).toEqual(Array.from({ length: PARTS }, (_, index) => index + 1));
    expect(result).toMatchObject({ resumedBytes: 0, sentBytes: content.length });
    expect(isStored()).toBe(true);
  });

  test('pauses while it compares, and goes on', async () => {
    const { parts, known } = await begin({ integrity: 'none' });
    parts.set(known[0] ?? 0, randomBytes(PART));
    const again = upload({ integrity: 'md5' });
    let pauses = 0;
    again.subscribe(({ phase, paused }) => {
      if (phase !== 'sending' || paused || pauses > 2) return;
      pauses += 1;
      again.pause();
      setTimeout(() => again.resume(), 1);
    });
    await again.done;
    expect(pauses).toBeGreaterThan(0);
    expect(isStored()).toBe(true);
  });
});
