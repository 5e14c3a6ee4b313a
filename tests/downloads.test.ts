import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, createSigner } from '@cos-slice/node';
import { makeFile, sha256 } from '@cos-slice/testkit/files';
import { expect, onTestFinished, test } from 'vitest';
import { ACCOUNT, startStore } from './support/store.ts';

const MIB = 1024 * 1024;

/** Downloads in a process that dies by SIGKILL once so much has come, and a note of it is on disk. */
const killed = (settings: object, to: string, atBytes: number): Promise<string | null> => {
  const script = `
    import { existsSync } from 'node:fs';
    import { createClient, createSigner } from '@cos-slice/node';
    const to = ${JSON.stringify(to)};
    const { signing, ...options } = ${JSON.stringify(settings)};
    const client = createClient({ ...options, signer: createSigner(signing) });
    const onProgress = ({ receivedBytes }) =>
      receivedBytes > ${atBytes} && existsSync(to + '.part.json') && process.kill(process.pid, 'SIGKILL');
    await client.download('large.bin', to, { onProgress }).done;
  `;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname });
    child.on('close', (_code, signal) => resolve(signal));
  });
};

test.each(['sha1', 'none'] as const)(
  'a download that is killed half-way goes on, and is the same in the end (uploaded with integrity %s)',
  async (integrity) => {
    const dir = await mkdtemp(join(tmpdir(), 'cos-slice-killed-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const store = await startStore(join(dir, 'store'));
    onTestFinished(() => store.close());
    const signing = { ...ACCOUNT, bucket: 'demobucket', bound: false };
    const settings = {
      endpoint: store.options.endpoint,
      appId: ACCOUNT.appId,
      bucket: 'demobucket',
      resume: false,
    } as const;
    const client = createClient({ ...settings, signer: createSigner(signing) });
    const file = await makeFile(join(dir, 'large.bin'), 192 * MIB + 12_345);
    await client.upload(file, 'large.bin', { integrity }).done;

    const to = join(dir, 'copy.bin');
    expect(await killed({ ...settings, signing }, to, 32 * MIB)).toBe('SIGKILL');
    const left = await readdir(dir);
    expect(left).toContain('copy.bin.part');
    expect(left).not.toContain('copy.bin');

    const { resumedBytes, sizeBytes } = await client.download('large.bin', to).done;
    expect(sizeBytes).toBe(192 * MIB + 12_345);
    expect(resumedBytes).toBeGreaterThan(0);
    expect(await sha256(to)).toBe(await sha256(file));
    expect((await readdir(dir)).filter((name) => name.startsWith('copy'))).toEqual(['copy.bin']);
  },
);
