import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Client,
  type ClientOptions,
  createClient,
  createFileResumeStore,
  jsonApiDialect,
  tokenServerSigner,
} from '@cos-slice/node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runSample, samplesOf } from './support/samples.ts';
import { startWos, WOS_ACCOUNT, type Wos } from './support/wos.ts';

const MIB = 1024 * 1024;

let wos: Wos;
let dir: string;
beforeEach(async () => {
  wos = await startWos();
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-wos-'));
});
afterEach(async () => {
  await wos.close();
  await rm(dir, { recursive: true, force: true });
});

const { appId, bucket, secretId } = WOS_ACCOUNT;
const clientWith = (more: Partial<ClientOptions> = {}): Client =>
  createClient({
    endpoint: wos.endpoint,
    appId,
    bucket,
    sliceSize: 4 * MIB,
    wire: jsonApiDialect({ forms: 'urlencoded', creating: { ttl: '24' } }),
    signer: tokenServerSigner({ url: wos.tokenUrl, password: secretId, parameters: { op: 'upload' } }),
    resume: createFileResumeStore({ dir: join(dir, 'state') }),
    ...more,
  });
const put = async (name: string, bytes: Buffer): Promise<string> => {
  await writeFile(join(dir, name), bytes);
  return join(dir, name);
};

describe('a deployment with slices of 4 MiB, urlencoded forms, a lifetime and a token server', () => {
  test('takes large and small files, with one token for each', async () => {
    const client = clientWith();
    const [large, small] = [randomBytes(13 * MIB + 7), randomBytes(4 * MIB)];
    const path = '中文/a b+c%.bin';
    await client.upload(await put('large', large), path).done;
    expect(wos.tokens).toBe(1);
    await client.upload(await put('small', small), 'small').done;
    expect(wos.tokens).toBe(2);
    for (const [name, bytes] of [
      [path, large],
      ['small', small],
    ] as const) {
      const object = wos.objects.get(name);
      expect(object?.bytes.equals(bytes)).toBe(true);
      expect(object?.ttl).toBe('24');
    }
    const data = Array.from({ length: 4 }, () => 'upload_slice_data multipart');
    expect(wos.asked.slice(0, 6)).toEqual(['upload_slice_init urlencoded', ...data, 'upload_slice_finish urlencoded']);
    expect(wos.asked.at(-1)).toBe('upload multipart');
  });

  test('an upload that was interrupted goes on where it was', async () => {
    const bytes = randomBytes(21 * MIB);
    const file = await put('film', bytes);
    const stop = new AbortController();
    const first = clientWith({ concurrency: 1 }).upload(file, 'film', {
      signal: stop.signal,
      onProgress: ({ confirmedBytes }) => confirmedBytes >= 8 * MIB && stop.abort(),
    });
    await expect(first.done).rejects.toThrow();
    expect(wos.objects.has('film')).toBe(false);
    const sent = wos.asked.filter((one) => one.startsWith('upload_slice_data')).length;
    const { resumedBytes, sentBytes } = await clientWith().upload(file, 'film').done;
    expect(resumedBytes).toBeGreaterThanOrEqual(8 * MIB);
    expect(resumedBytes + sentBytes).toBe(bytes.length);
    expect(wos.asked.filter((one) => one.startsWith('upload_slice_data'))).toHaveLength(
      sent + Math.ceil(sentBytes / (4 * MIB)),
    );
    expect(wos.objects.get('film')?.bytes.equals(bytes)).toBe(true);
  });

  test('is asked about objects, and to delete them', async () => {
    const client = clientWith();
    const bytes = randomBytes(5 * MIB);
    await client.upload(bytes, 'a/b').done;
    expect(await client.stat('a/b')).toMatchObject({ kind: 'file', sizeBytes: 5 * MIB });
    expect(await client.downloadUrl('a/b', { signed: false })).toBe(`${wos.endpoint}/public/a/b`);
    await client.download('a/b', join(dir, 'copy'), { signed: false }).done;
    expect((await readFile(join(dir, 'copy'))).equals(bytes)).toBe(true);
    await client.remove('a/b');
    expect(wos.asked.at(-1)).toBe('delete urlencoded');
    await expect(client.stat('a/b')).rejects.toMatchObject({ code: 'not-found' });
    await expect(client.upload(bytes, 'a/b').done).resolves.toMatchObject({ sentBytes: 5 * MIB });
    await expect(client.upload(bytes, 'a/b').done).rejects.toMatchObject({ code: 'exists' });
  });

  test('an upload may have a lifetime of its own', async () => {
    const wire = jsonApiDialect({ forms: 'urlencoded', creating: { ttl: '1' } });
    await clientWith().upload(randomBytes(100), 'short-lived', { wire }).done;
    expect(wos.objects.get('short-lived')?.ttl).toBe('1');
  });

  test('a token that has expired is asked for anew, in the middle of an upload', async () => {
    const bytes = randomBytes(17 * MIB);
    let expired = false;
    const upload = clientWith({ concurrency: 1 }).upload(bytes, 'film', {
      onProgress: ({ confirmedBytes }) => {
        if (!expired && confirmedBytes >= 4 * MIB) wos.expireTokens();
        expired ||= confirmedBytes >= 4 * MIB;
      },
    });
    await upload.done;
    expect(expired).toBe(true);
    expect(wos.tokens).toBe(2);
    expect(wos.objects.get('film')?.bytes.equals(bytes)).toBe(true);
  });

  test.each([
    ['password', { password: 'other' }, /the token server answered HTTP 401: check user .* and password/],
    ['user', { user: 'other' }, /HTTP 401/],
  ])('a wrong %s is told as such, at once', async (_what, more, message) => {
    const signer = tokenServerSigner({ url: wos.tokenUrl, password: secretId, ...more });
    const { done } = clientWith({ signer }).upload(randomBytes(10), 'a');
    await expect(done).rejects.toMatchObject({ code: 'signing-failed', message: expect.stringMatching(message) });
    await expect(done).rejects.not.toThrow(secretId);
  });

  test('what the token server says against it is told', async () => {
    const { done } = clientWith({ bucket: 'other' }).upload(randomBytes(10), 'a');
    await expect(done).rejects.toMatchObject({
      code: 'signing-failed',
      message: 'the token server refuses: -2 no such bucket',
    });
  });

  test('the example of docs/other-deployments.md runs', async () => {
    const [sample] = await samplesOf('docs/other-deployments.md');
    const code = sample?.code.replace('http://wos.example', wos.endpoint).replace('http://token.example', wos.endpoint);
    const bytes = randomBytes(9 * MIB);
    await put('film.mp4', bytes);
    const env = { WOS_APP_ID: appId, WOS_SECRET_ID: secretId };
    expect(await runSample(code ?? '', dir, env)).toContain(`/public/2024/film.mp4 ${9 * MIB}\n`);
    expect((await readFile(join(dir, 'copy.mp4'))).equals(bytes)).toBe(true);
    expect(existsSync(join(dir, 'copy.mp4.part'))).toBe(false);
    expect(wos.objects.size).toBe(0);
  });
});
