// What only shows between servers that are processes of their own, on a real object store.
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBandwidth, createClient, createSigner, type UploadOptions, uploadFile } from '@cos-slice/node';
import { createSliceServer, s3Store } from '@cos-slice/server';
import { makeFile, sha256, withFolder } from '@cos-slice/testkit/files';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ACCOUNT, placeAt } from '../support/store.ts';
import { ceph, storeOptions } from './support/bucket.ts';
import { type Farm, startFarm } from './support/farm.ts';
import { startGateway } from './support/gateway.ts';
import { contentsOf, makeBucket, s3 } from './support/s3.ts';

const MIB = 1024 * 1024;
const RACES = 200;
const endpoint = ceph?.endpoint ?? '';
const PATIENT: Partial<UploadOptions> = {
  resume: false,
  retry: { attempts: 1000, attemptsPerUpload: 100_000, baseDelayMs: 50, maxDelayMs: 1000 },
};

async function farmFor(...args: Parameters<typeof startFarm>): Promise<Farm> {
  const farm = await startFarm(...args);
  onTestFinished(() => farm.close());
  return farm;
}

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** Waits until so many slices of an upload that still runs are stored. */
async function stored(upload: ReturnType<typeof uploadFile>, count: number): Promise<void> {
  for (;;) {
    const { phase, progress } = upload.state;
    if (phase === 'done' || phase === 'failed') throw new Error(`The upload is ${phase} before ${count} are stored.`);
    if (progress.slices.stored >= count) return;
    await sleep(20);
  }
}

describe.skipIf(!ceph)('servers on Ceph', () => {
  test.each(['nginx', 'haproxy'] as const)(
    'behind %s: one after the other is killed and started again in mid-upload, and nothing acknowledged is lost',
    async (balancer) => {
      const farm = await farmFor(endpoint, { balancer });
      await withFolder(async (folder) => {
        const file = await makeFile(join(folder, 'file'), 50 * MIB + 7);
        const integrity = balancer === 'nginx' ? 'md5' : 'sha1';
        // It crawls while servers are killed: it must not end before.
        const bandwidth = createBandwidth(6 * MIB);
        const options = { ...farm.options, ...PATIENT, path: 'dir/big.bin', integrity, bandwidth } as const;
        const upload = uploadFile(file, options);
        const unfinished: string[][] = [];
        for (const index of [0, 1]) {
          await stored(upload, 2 + 3 * index);
          bandwidth.bytesPerSecond = MIB / 4;
          await farm.kill(index);
          unfinished.push((await contentsOf(endpoint, farm.s3Bucket)).uploadIds);
          await farm.restart(index);
          bandwidth.bytesPerSecond = index === 0 ? 6 * MIB : Infinity;
        }
        unfinished.push((await contentsOf(endpoint, farm.s3Bucket)).uploadIds);
        await upload.done;
        // One multipart upload from its beginning to its end: what was stored in it was not given up.
        expect(unfinished[0]).toHaveLength(1);
        expect(unfinished).toEqual([unfinished[0], unfinished[0], unfinished[0]]);
        expect(hashOf(await farm.read('dir/big.bin'))).toBe(await sha256(file));
      });
      const { uploads } = await contentsOf(endpoint, farm.s3Bucket);
      expect(uploads).toEqual([]);
    },
  );

  test('an upload outlasts the end and the return of the gateway to the store', async () => {
    const gateway = await startGateway(ceph as NonNullable<typeof ceph>, 'crash');
    const farm = await farmFor(gateway.endpoint);
    const bytes = randomBytes(40 * MIB);
    const upload = uploadFile(bytes, { ...farm.options, ...PATIENT, path: 'gateway.bin', bandwidth: 8 * MIB });
    await stored(upload, 3);
    await gateway.replace(500);
    await upload.done;
    expect((await farm.read('gateway.bin')).equals(bytes)).toBe(true);
  });

  test(`of two that may not overwrite exactly one wins, ${RACES} times, and what is stored is its file`, async () => {
    const farm = await farmFor(endpoint);
    const places = farm.ports.map((port) => placeAt(port).options);
    let turn = 0;
    let wonInSlices = 0;
    let slicesMs = 200;
    async function race(): Promise<void> {
      for (let round = turn++; round < RACES; round = turn++) {
        const path = `races/${round}.bin`;
        const contents = [0, 1].map(() => randomBytes(1 + Math.floor(Math.random() * 100_000)));
        // One in slices against one in a single request, or two in single requests.
        const ends = await Promise.allSettled(
          contents.map(async (bytes, index) => {
            const isMixed = round % 2 === 0;
            const singleRequestMax = isMixed && index === 0 ? 0 : MIB;
            // An upload in slices takes longer: the other one comes at any time of it.
            if (isMixed && index === 1) await sleep(Math.random() * slicesMs * 1.5);
            const startedAtMs = performance.now();
            await uploadFile(bytes, { ...(places[index] as Farm['options']), ...PATIENT, path, singleRequestMax }).done;
            if (singleRequestMax === 0) slicesMs = performance.now() - startedAtMs;
          }),
        );
        const winners = ends.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []));
        expect(winners, `round ${round}`).toHaveLength(1);
        expect((await farm.read(path)).equals(contents[winners[0] ?? 0] as Buffer), `round ${round}`).toBe(true);
        for (const end of ends) if (end.status === 'rejected') expect(end.reason.code).toBe('exists');
        if (round % 2 === 0 && winners[0] === 0) wonInSlices += 1;
      }
    }
    await Promise.all([1, 2, 3, 4, 5, 6].map(race));
    console.info(`${wonInSlices} of ${RACES / 2} were won by the one in slices`);
  });

  test('a server under a hundred uploads at once needs little memory', async () => {
    const farm = await farmFor(endpoint, { count: 1 });
    const bytes = randomBytes(6 * MIB);
    const before = await farm.peakMemory(0);
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const path = `many/${index}.bin`;
        await uploadFile(bytes, { ...farm.options, ...PATIENT, path, singleRequestMax: 0 }).done;
      }),
    );
    const peak = await farm.peakMemory(0);
    console.info(
      `a server under 100 uploads: ${Math.round(peak / MIB)} MiB at most, ${Math.round(before / MIB)} at rest`,
    );
    // All that is under way is 600 MiB.
    expect(peak).toBeLessThan(300 * MIB);
    expect((await farm.read('many/99.bin')).equals(bytes)).toBe(true);
  });

  test('what comes through the protocol can be read through S3, and the reverse', async () => {
    const farm = await farmFor(endpoint);
    const bytes = randomBytes(6 * MIB);
    const more = { integrity: 'sha1', attributes: 'a = b, 中', singleRequestMax: 0 } as const;
    await uploadFile(bytes, { ...farm.options, path: 'dir/through v4.bin', ...more }).done;
    const url = `/${farm.s3Bucket}/${farm.keyPrefix}`;
    const got = await s3(endpoint, 'GET', `${url}dir/through%20v4.bin`);
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(got.headers.get('x-amz-meta-cos-slice-sha1')).toBe(createHash('sha1').update(bytes).digest('hex'));
    expect(got.headers.get('x-amz-meta-cos-slice-attributes')).toBe(encodeURIComponent('a = b, 中'));
    expect(got.headers.get('x-amz-meta-cos-slice-encoded')).toContain('cos-slice-attributes');

    const headers = { 'content-type': 'text/plain', 'cache-control': 'no-store', 'x-amz-meta-k': 'v' };
    await s3(endpoint, 'PUT', `${url}dir/through%20s3.txt`, { body: 'content', headers });
    const signer = createSigner({ ...ACCOUNT, bucket: 'demobucket', folders: true });
    const client = createClient({ ...farm.options, signer, resume: false });
    const listed: string[] = [];
    for await (const { path } of client.list('dir/')) listed.push(path);
    expect(listed).toEqual(['dir/through s3.txt', 'dir/through v4.bin']);
    expect(await client.stat('dir/through s3.txt')).toMatchObject({
      sizeBytes: 7,
      customHeaders: { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store', 'x-cos-meta-k': 'v' },
    });
    const reply = await fetch(await client.downloadUrl('dir/through s3.txt'));
    expect([reply.headers.get('x-cos-meta-k'), await reply.text()]).toEqual(['v', 'content']);
  });

  test('nothing is left of uploads that nobody has gone on with', async () => {
    const bucket = await makeBucket(endpoint);
    const open = () => s3Store(storeOptions(endpoint, bucket));
    const server = createSliceServer({ store: open(), accounts: [ACCOUNT] });
    const { port } = await server.listen();
    for (const integrity of ['none', 'sha1'] as const) {
      const cut = new AbortController();
      const upload = uploadFile(randomBytes(60 * MIB), {
        ...placeAt(port).options,
        resume: false,
        concurrency: 2,
        path: `${integrity}.bin`,
        integrity,
        signal: cut.signal,
      });
      upload.subscribe((state) => state.progress.slices.stored > 0 && cut.abort('cut'));
      await expect(upload.done).rejects.toBe('cut');
    }
    await server.close();
    expect((await contentsOf(endpoint, bucket)).uploads).toHaveLength(2);
    const sweeping = createSliceServer({ store: open(), accounts: [ACCOUNT], sessionTtlMs: 1 });
    onTestFinished(() => sweeping.close());
    await expect
      .poll(() => contentsOf(endpoint, bucket), { timeout: 60_000 })
      .toEqual({ keys: [], uploads: [], uploadIds: [] });
  });
});
