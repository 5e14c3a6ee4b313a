// Uploads whose requests are signed by an application's server: no key is where they come from.
import { randomBytes } from 'node:crypto';
import { createClient, remoteSigner, type SignedRequest, type UploadFileOptions, uploadFile } from '@cos-slice/node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { type SigningServer, startSigningServer } from './support/signing-server.ts';
import { PART_BYTES, startCosPlace, startS3Place, type WirePlace } from './support/wires.ts';

const endpoint = ceph?.smallEndpoint ?? '';
const PARTS = 100;

/** How often somebody was asked for an upload of 100 parts: to begin it, for the parts, to finish it. */
const KINDS: readonly (readonly [name: string, start: () => Promise<WirePlace>, partQuestions: number])[] = [
  ['S3', () => startS3Place(endpoint), Math.ceil(PARTS / 32)],
  ['the XML API of COS', () => startCosPlace(endpoint), 1],
  ['the XML API of COS, strict', () => startCosPlace(endpoint, true), Math.ceil(PARTS / 32)],
];

describe.skipIf(!ceph).each(KINDS)('over %s', (_name, start, partQuestions) => {
  let place: WirePlace;
  let server: SigningServer;
  beforeAll(async () => {
    place = await start();
    server = await startSigningServer(place.options.wire, place.options.signer);
  });
  afterAll(async () => {
    await server?.close();
    await place?.close();
  });
  afterEach(() => {
    server.fault = () => undefined;
    server.allowed = { path: '' };
  });

  const to = (path: string, more: Partial<UploadFileOptions> = {}) =>
    ({
      wire: place.options.wire,
      signer: remoteSigner(server.url),
      path,
      sliceSize: PART_BYTES,
      resume: false,
      integrity: 'none',
      retry: { baseDelayMs: 10, maxDelayMs: 100 },
      ...more,
    }) as const;
  const holds = async (path: string, content: Buffer): Promise<boolean> => (await place.read(path)).equals(content);
  /** Questions that an upload asks. */
  async function questionsOf(run: () => Promise<unknown>): Promise<SigningServer['questions']> {
    const before = server.questions.length;
    await run();
    return server.questions.slice(before);
  }

  test.each([0, 1, PART_BYTES, PART_BYTES + 1, PARTS * PART_BYTES - 12_345])(
    'what is uploaded is stored: %i bytes',
    async (sizeBytes) => {
      for (const integrity of ['none', 'md5'] as const) {
        const content = randomBytes(sizeBytes);
        const path = `e2e/${integrity} ${sizeBytes}/a b+c%&#(1)'腾🎬.bin`;
        const options = to(path, { integrity, attributes: 'für alle' });
        await uploadFile(content, options).done;
        expect(await holds(path, content)).toBe(true);
      }
      expect(await place.unfinished()).toEqual([]);
    },
  );

  test('few questions are asked for many parts, and none twice', async () => {
    const content = randomBytes(PARTS * PART_BYTES - 1);
    const questions = await questionsOf(() => uploadFile(content, to('few.bin', { overwrite: true })).done);
    const asked = questions.flat().map((request) => JSON.stringify(request));
    expect(new Set(asked).size).toBe(asked.length);
    const aboutParts = questions.filter((one) => one.some(({ method }) => method === 'PUT'));
    expect(aboutParts).toHaveLength(partQuestions);
    expect(questions).toHaveLength(partQuestions + 2);
  });

  test('what an earlier run has sent is gone on with', async () => {
    const content = randomBytes(PARTS * PART_BYTES);
    const records = new Map();
    const resume: UploadFileOptions['resume'] = {
      load: async (key) => records.get(key),
      save: async (key, record) => void records.set(key, record),
      remove: async (key) => void records.delete(key),
    };
    const cancel = new AbortController();
    const first = uploadFile(content, to('resumed.bin', { resume, signal: cancel.signal, concurrency: 2 }));
    first.subscribe(({ progress }) => {
      if (progress.slices.stored > 40) cancel.abort();
    });
    await first.done.catch(() => {});
    const second = await uploadFile(content, to('resumed.bin', { resume })).done;
    expect(second.resumedBytes).toBeGreaterThan(40 * PART_BYTES);
    expect(second.sentBytes + second.resumedBytes).toBe(content.length);
    expect(await holds('resumed.bin', content)).toBe(true);
    expect(await place.unfinished()).toEqual([]);
  });

  test('what is there stays, unless it may be replaced', async () => {
    for (const sizeBytes of [10, 3 * PART_BYTES]) {
      const [content, other] = [randomBytes(sizeBytes), randomBytes(sizeBytes)];
      const path = `kept/${sizeBytes}`;
      await uploadFile(content, to(path)).done;
      await expect(uploadFile(other, to(path)).done).rejects.toMatchObject({ code: 'exists' });
      expect(await holds(path, content)).toBe(true);
      await uploadFile(other, to(path, { overwrite: true })).done;
      expect(await holds(path, other)).toBe(true);
    }
  });

  test('objects: looked at, listed, read, handed on and deleted, each where it is allowed', async () => {
    const {
      options: { wire },
    } = place;
    const client = createClient({ wire, signer: remoteSigner(server.url), retry: { attempts: 1 } });
    const content = randomBytes(3 * PART_BYTES);
    await client.upload(content, 'objects/a b.bin').done;
    expect(await client.stat('objects/a b.bin')).toMatchObject({ sizeBytes: content.length });
    const refused = { code: 'signing-failed', message: expect.stringMatching(/refuses .* this may not be done/) };
    const entries = async () => {
      const names: string[] = [];
      for await (const { path } of client.list('objects/')) names.push(path);
      return names;
    };
    await expect(entries()).rejects.toMatchObject(refused);
    await expect(client.remove('objects/a b.bin')).rejects.toMatchObject(refused);
    await expect(client.downloadUrl('objects/a b.bin')).rejects.toMatchObject(refused);
    server.allowed = { path: 'objects/', to: ['upload', 'download', 'list', 'remove'] };
    expect(await entries()).toEqual(['objects/a b.bin']);
    const url = await client.downloadUrl('objects/a b.bin');
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(content)).toBe(true);
    // Copies take from elsewhere.
    await expect(client.copy('objects/a b.bin', 'objects/c.bin')).rejects.toMatchObject({ code: 'signing-failed' });
    await client.remove('objects/a b.bin');
    await expect(place.read('objects/a b.bin')).rejects.toThrow('404');
  });

  test('signatures that expire in mid-upload are asked for anew', async () => {
    const content = randomBytes(PARTS * PART_BYTES);
    // The second question is about parts.
    const before = server.questions.length;
    server.fault = (count) => (count - before === 2 ? 'expired' : undefined);
    const questions = await questionsOf(() => uploadFile(content, to('expired.bin', { overwrite: true })).done);
    // Whatever came with those that were refused was not even tried.
    expect(questions.length).toBeLessThanOrEqual(partQuestions + 2 + 3);
    expect(questions.length).toBeGreaterThan(partQuestions + 2);
    expect(await holds('expired.bin', content)).toBe(true);
    expect(await place.unfinished()).toEqual([]);
  });

  test('an endpoint that fails or hangs now and then is asked again', async () => {
    const content = randomBytes(PARTS * PART_BYTES);
    const before = server.questions.length;
    const faults = ['fails', undefined, undefined, 'hangs', undefined, undefined] as const;
    server.fault = (count) => faults[(count - before - 1) % faults.length];
    const signer = remoteSigner({ url: server.url, timeoutMs: 500 });
    await uploadFile(content, to('through faults.bin', { signer, overwrite: true })).done;
    expect(await holds('through faults.bin', content)).toBe(true);
  });

  test.each([
    ['fails', 3, 'backoff'],
    ['hangs', 3, 'backoff'],
    ['nonsense', 1, 'none'],
  ] as const)('one that always %s ends the upload after %i questions', async (fault, questions, remedy) => {
    server.fault = () => fault;
    const signer = remoteSigner({ url: server.url, timeoutMs: 200 });
    const retry = { attempts: 3, baseDelayMs: 1 };
    const asked = await questionsOf(async () => {
      const failing = uploadFile(randomBytes(10), to('never.bin', { signer, retry, overwrite: true })).done;
      await expect(failing).rejects.toMatchObject({ code: 'signing-failed', remedy });
    });
    expect(asked).toHaveLength(questions);
    await expect(place.read('never.bin')).rejects.toThrow('404');
  });

  test('nothing is stored where the user may not, or more than the user may', async () => {
    server.allowed = { path: 'users/7/', maxBytes: 5 * PART_BYTES };
    const mine = randomBytes(5 * PART_BYTES);
    const refusal = (message: RegExp) => ({ code: 'signing-failed', message: expect.stringMatching(message) });
    const isMeasured = partQuestions > 1;
    if (isMeasured) {
      await uploadFile(mine, to('users/7/a.bin')).done;
      expect(await holds('users/7/a.bin', mine)).toBe(true);
      const large = uploadFile(randomBytes(6 * PART_BYTES), to('users/7/large.bin')).done;
      await expect(large).rejects.toMatchObject(refusal(/larger than/));
    } else {
      await expect(uploadFile(mine, to('users/7/a.bin')).done).rejects.toMatchObject(refusal(/strict: true/));
    }
    for (const path of ['users/8/a.bin', 'a.bin', 'users/70/a.bin']) {
      await expect(uploadFile(mine, to(path)).done).rejects.toMatchObject(refusal(/outside of what is allowed/));
      await expect(place.read(path)).rejects.toThrow('404');
    }
    await expect(place.read('users/7/large.bin')).rejects.toThrow('404');
  });
});

describe.skipIf(!ceph)('a signature for S3', () => {
  let place: WirePlace;
  let server: SigningServer;
  beforeAll(async () => {
    place = await startS3Place(endpoint);
    server = await startSigningServer(place.options.wire, place.options.signer);
  });
  afterAll(async () => {
    await server?.close();
    await place?.close();
  });

  test('lets nothing through but what it is for', async () => {
    await uploadFile(Buffer.from('old'), {
      wire: place.options.wire,
      signer: place.options.signer,
      path: 'mine/other.txt',
    }).done;
    const asked = {
      method: 'PUT',
      bucket: place.bucket,
      key: 'mine/a.txt',
      query: {},
      headers: { 'content-length': '5' },
    };
    const reply = await fetch(server.url, { method: 'POST', body: JSON.stringify({ requests: [asked] }) });
    const { signed } = (await reply.json()) as { signed: [SignedRequest] };
    const url = signed[0].url ?? '';
    const send = async (to: string, init: RequestInit): Promise<number> => (await fetch(to, init)).status;
    const body = 'hello';
    const put = { method: 'PUT', body };
    const elsewhere = [
      send(url.replace('a.txt', 'other.txt'), put),
      send(url.replace('mine/', 'mine/../'), put),
      send(`${url}&acl`, put),
      send(`${url}&tagging`, put),
      send(`${url}&uploadId=u&partNumber=1`, put),
      send(url.replace('X-Amz-Expires=900', 'X-Amz-Expires=9000'), put),
      send(url, { method: 'PUT', body: 'hello, world' }),
      send(url, { method: 'GET' }),
      send(url, { method: 'DELETE' }),
      send(url.replace(place.bucket, 'other'), put),
    ];
    const statuses = await Promise.all(elsewhere);
    expect(statuses.filter((status) => status < 400)).toEqual([]);
    expect(await place.read('mine/other.txt')).toEqual(Buffer.from('old'));
    await expect(place.read('mine/a.txt')).rejects.toThrow('404');
    expect(await send(url, put)).toBe(200);
    expect(await place.read('mine/a.txt')).toEqual(Buffer.from(body));
  });
});
