import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { patternBytes, sha1 } from './testing/content.ts';
import { temporaryDir } from './testing/server.ts';
import { ACCOUNT } from './testing/sign.ts';
import { createUploader, SLICE_BYTES } from './testing/upload.ts';

const DIST = new URL('../dist/index.js', import.meta.url);
const SCRIPT = `
  import { createSliceServer, fileStore } from ${JSON.stringify(DIST.href)};
  const server = createSliceServer({ store: fileStore(process.argv[1]), accounts: [${JSON.stringify(ACCOUNT)}] });
  console.log((await server.listen()).url);
`;

/** A server in a process of its own, from the built files. */
async function spawnServer(dir: string): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { url: `${String(line).trim()}/files/v2/${ACCOUNT.appId}/demobucket/file.bin`, child };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('a killed server', () => {
  test('has lost no slice that it acknowledged', async () => {
    const dir = await temporaryDir();
    const bytes = patternBytes(0, 64 * SLICE_BYTES + 1);
    const acknowledged = new Set<number>();
    let session: string | undefined;
    for (let life = 0; acknowledged.size < 65; life++) {
      const { url, child } = await spawnServer(dir);
      const upload = createUploader(url, bytes);
      if (session === undefined) session = (await upload.init()).json().data.session;
      upload.session = session;
      const listed = (await upload.list()).json().data.listparts.map(({ offset }) => offset / SLICE_BYTES);
      expect([...acknowledged].filter((index) => !listed.includes(index))).toEqual([]);
      for (const index of listed) acknowledged.add(index);
      const todo = Array.from({ length: 65 }, (_, index) => index)
        .filter((index) => !listed.includes(index))
        .reverse();
      const killed = life < 4 ? sleep(15 + 10 * life).then(() => kill(child)) : undefined;
      await Promise.all(
        [1, 2, 3, 4].map(async () => {
          for (let index = todo.pop(); index !== undefined; index = todo.pop()) {
            const reply = await upload.data(index).catch(() => undefined);
            if (reply?.json().code === 0) acknowledged.add(index);
            else if (killed) return;
          }
        }),
      );
      await killed;
      await kill(child);
    }
    const { url } = await spawnServer(dir);
    const upload = createUploader(url, bytes);
    upload.session = session as string;
    expect((await upload.finish({ sha: sha1(bytes) })).json().code).toBe(0);
    expect((await readFile(join(dir, ACCOUNT.appId, 'demobucket/file.bin'))).equals(bytes)).toBe(true);
  });

  test('can be asked to finish again', async () => {
    for (const delayMs of [0, 1, 2, 4]) {
      const dir = await temporaryDir();
      const bytes = patternBytes(0, 16 * SLICE_BYTES);
      const first = await spawnServer(dir);
      const upload = createUploader(first.url, bytes);
      await upload.init({ insertOnly: delayMs % 2 });
      for (let index = 0; index < 16; index++) await upload.data(index);
      const finishing = upload.finish({ sha: sha1(bytes) }).catch(() => undefined);
      await sleep(delayMs);
      await kill(first.child);
      await finishing;
      const second = await spawnServer(dir);
      const again = createUploader(second.url, bytes);
      again.session = upload.session;
      expect((await again.finish({ sha: sha1(bytes) })).json()).toMatchObject({ code: 0 });
      expect((await readFile(join(dir, ACCOUNT.appId, 'demobucket/file.bin'))).equals(bytes)).toBe(true);
    }
  });
});
