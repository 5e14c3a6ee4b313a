import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ceph } from './support/bucket.ts';
import { type RunningCli, startCli, startCosCli } from './support/command-line.ts';
import { COS_CREDENTIALS } from './support/cos-facade.ts';
import { type CosSink, startCosSink } from './support/cos-sink.ts';
import { makeFolder, removeFolder } from './support/folder.ts';
import { startGateway } from './support/gateway.ts';
import { s3 } from './support/s3.ts';

const MIB = 1024 * 1024;

let folder: string;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => removeFolder(folder));

/** A file whose mebibytes all differ, and that takes no room for what is the same in them. */
async function makeFile(name: string, parts: number): Promise<string> {
  const path = join(folder, name);
  const handle = await open(path, 'w');
  try {
    await handle.truncate(parts * MIB);
    for (let part = 0; part < parts; part += 1) await handle.write(headOf(part), 0, 8, part * MIB);
  } finally {
    await handle.close();
  }
  return path;
}

function headOf(part: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeBigUInt64BE(BigInt(part) * 2_654_435_761n + 1n);
  return head;
}

/** Lets an upload come as far as that, and kills it. */
async function killAt(running: RunningCli, isFar: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isFar())) {
    if ((running.child.exitCode ?? running.child.signalCode) !== null)
      throw new Error(`it has ended: ${(await running.ended).stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  running.child.kill('SIGKILL');
  await running.ended;
}

describe('10,000 parts of 1 MiB', () => {
  const PARTS = 10_000;
  let sink: CosSink;
  beforeAll(async () => {
    sink = await startCosSink();
  });
  afterAll(() => sink?.close());

  test('killed past 1,000 of them, the upload goes on: what has arrived is not sent again', async () => {
    const file = await makeFile('large.bin', PARTS);
    const env = {
      COS_ENDPOINT: sink.endpoint,
      COS_REGION: 'sh',
      COS_SECRET_ID: COS_CREDENTIALS.secretId,
      COS_SECRET_KEY: COS_CREDENTIALS.secretKey,
      XDG_STATE_HOME: join(folder, 'state-sink'),
    };
    const args = [
      'upload',
      file,
      'cos://films-10055004/large.bin',
      '--slice-size',
      '1m',
      '--integrity',
      'none',
      '--json',
    ];
    await killAt(startCli(args, env, folder), () => sink.arrivals > 2500);
    const kept = sink.parts.size;
    expect(kept).toBeLessThan(PARTS);
    const { code, stdout } = await startCli(args, env, folder).ended;
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ ok: true, sizeBytes: PARTS * MIB })]);
    // What had arrived when it was killed, and what then came of what was under way.
    const { resumedBytes, sentBytes } = JSON.parse(stdout);
    expect(resumedBytes).toBeGreaterThanOrEqual(kept * MIB);
    expect(resumedBytes + sentBytes).toBe(PARTS * MIB);
    // What was under way when it was killed may have come, and have come again.
    expect(sink.arrivals).toBeLessThan(PARTS + 64);
    expect(sink.pages).toBeGreaterThanOrEqual(Math.ceil(kept / 1000));
    expect(sink.object?.length).toBe(PARTS);
    const order = (sink.object ?? []).findIndex(({ head }, part) => !head.equals(headOf(part)));
    expect(order).toBe(-1);
    for (const part of [0, 999, 1000, 1001, 5000, PARTS - 1]) {
      const content = Buffer.concat([headOf(part), Buffer.alloc(MIB - 8)]);
      expect(sink.object?.[part]).toMatchObject({
        md5: createHash('md5').update(content).digest('hex'),
        sizeBytes: MIB,
      });
    }
  });
});

describe.skipIf(!ceph)('1,200 parts of 1 MiB on Ceph, with the least part of COS', () => {
  test('killed past 1,000 of them, the upload goes on', async () => {
    const { endpoint } = await startGateway(ceph as NonNullable<typeof ceph>, 'cos', MIB);
    const place = await startCosCli(endpoint);
    try {
      const parts = 1200;
      const file = await makeFile('many.bin', parts);
      const env = { ...place.env, XDG_STATE_HOME: join(folder, 'state-ceph') };
      const args = ['upload', file, `${place.address}/many.bin`, '--slice-size', '1m', '--json'];
      const sent = (): number => (place.facade?.seen ?? []).filter(({ query }) => query.has('partNumber')).length;
      await killAt(startCli(args, env, folder), () => sent() > 1050);
      const { code, stdout } = await startCli(args, env, folder).ended;
      expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ sizeBytes: parts * MIB })]);
      expect(JSON.parse(stdout).resumedBytes).toBeGreaterThan(1000 * MIB);
      const { headers, status } = await s3(endpoint, 'HEAD', `/${place.bucket}/many.bin`);
      expect([status, headers.get('content-length')]).toEqual([200, String(parts * MIB)]);
      for (const part of [0, 1000, parts - 1]) {
        const range = `bytes=${part * MIB}-${part * MIB + 7}`;
        const { bytes } = await s3(endpoint, 'GET', `/${place.bucket}/many.bin`, { headers: { range } });
        expect(bytes.equals(headOf(part))).toBe(true);
      }
    } finally {
      await s3(endpoint, 'DELETE', `/${place.bucket}/many.bin`);
      await place.close();
    }
  });
});
