// Many small files of a directory, which go a way of their own as long as all goes well.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createClient, createSigner } from '@cos-slice/node';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { withFolder } from '@cos-slice/testkit/files';
import { expect, test } from 'vitest';
import { ACCOUNT, placeAt } from './support/store.ts';

const FILES = 150;
const LONG_AGO = new Date(1_600_000_000_000);

type Meet = (upload: number, path: string) => 'unavailable' | 'cut' | 'hold' | undefined;

/** A server that its uploads do not always reach, and a directory of small files for it. */
async function setUp(
  meet: Meet,
  use: (place: {
    local: string;
    client: ReturnType<typeof createClient>;
    uploads: string[];
    /** By these requests are let through. */
    signatures: Set<unknown>;
    /** Lets those go on that are held. */
    letGo(): void;
    expectAll(): Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const local = join(folder, 'local');
    await mkdir(join(local, 'in'), { recursive: true });
    const contents = new Map<string, Buffer>();
    for (let index = 0; index < FILES; index += 1) {
      const path = `${index % 3 === 0 ? 'in/' : ''}文件 ${index}`;
      const bytes = randomBytes(index % 50 === 49 ? 200_000 : index * 100);
      contents.set(path, bytes);
      await writeFile(join(local, path), bytes);
      await utimes(join(local, path), LONG_AGO, LONG_AGO);
    }
    const server = createSliceServer({ store: fileStore(join(folder, 'store')), accounts: [ACCOUNT] });
    const uploads: string[] = [];
    const signatures = new Set<unknown>();
    const held: (() => void)[] = [];
    const front = createServer((req, res) => {
      const path = decodeURIComponent(req.url ?? '').replace(/^.*demobucket\/|\?.*$/g, '');
      const isUpload = req.method === 'POST' && !path.endsWith('/');
      if (isUpload) signatures.add(req.headers.authorization);
      const met = isUpload ? meet(uploads.push(path), path) : undefined;
      if (met === 'cut') return void req.socket.destroy();
      if (met === 'hold') return void held.push(() => void server.handle(req, res));
      if (met === undefined) return void server.handle(req, res);
      req.resume().on('end', () => res.writeHead(503).end('{"code":-5997,"message":"ERROR_BUSY"}'));
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    const { options } = placeAt((front.address() as AddressInfo).port);
    const signer = createSigner({ ...ACCOUNT, bucket: 'demobucket', bound: false });
    const retry = { baseDelayMs: 1, maxDelayMs: 20 };
    try {
      await use({
        local,
        client: createClient({ ...options, signer, retry, resume: false, concurrency: 8 }),
        uploads,
        signatures,
        letGo: () => {
          for (const go of held.splice(0)) go();
        },
        async expectAll() {
          for (const [path, bytes] of contents) {
            const stored = await readFile(join(folder, 'store', ACCOUNT.appId, 'demobucket/to', path));
            expect(stored.equals(bytes), path).toBe(true);
          }
        },
      });
    } finally {
      front.close();
      front.closeAllConnections();
      await server.close();
    }
  });
}

test('small files arrive whole, one request for each, and a second run sends none', async () => {
  await setUp(
    () => undefined,
    async ({ local, client, uploads, signatures, expectAll }) => {
      const bytes = Array.from({ length: FILES }, (_, index) => (index % 50 === 49 ? 200_000 : index * 100));
      const amount = { files: FILES, bytes: bytes.reduce((sum, one) => sum + one) };
      const { transferred, movedBytes } = await client.uploadDirectory(local, { to: 'to' }).done;
      expect(transferred).toEqual(amount);
      expect(movedBytes).toBe(amount.bytes);
      await expectAll();
      expect(uploads).toHaveLength(FILES);
      expect(new Set(uploads).size).toBe(FILES);
      // What goes straight shares one; an upload has its own.
      expect(signatures.size).toBeLessThan(FILES / 2);
      const again = await client.uploadDirectory(local, { to: 'to' }).done;
      expect(again.skipped).toEqual(amount);
      expect(uploads).toHaveLength(FILES);
    },
  );
});

test('whatever becomes of a request, its file arrives', async () => {
  const met = new Set<string>();
  const meet: Meet = (upload, path) => {
    if (met.has(path)) return undefined;
    met.add(path);
    return upload % 5 === 0 ? 'unavailable' : upload % 7 === 0 ? 'cut' : undefined;
  };
  await setUp(meet, async ({ local, client, uploads, expectAll }) => {
    const { transferred, failed } = await client.uploadDirectory(local, { to: 'to' }).done;
    expect({ files: transferred.files, failed }).toEqual({ files: FILES, failed: 0 });
    await expectAll();
    expect(uploads.length).toBeGreaterThan(FILES + FILES / 5);
  });
});

test('a pause begins nothing more, and what is under way comes to its end', async () => {
  let holds = true;
  await setUp(
    (upload) => (holds && upload > 60 ? 'hold' : undefined),
    async ({ local, client, uploads, letGo, expectAll }) => {
      const transfer = client.uploadDirectory(local, { to: 'to' });
      await expect.poll(() => uploads.length).toBe(68);
      transfer.pause();
      holds = false;
      letGo();
      await expect.poll(() => transfer.state.active.length).toBe(0);
      expect(uploads).toHaveLength(68);
      transfer.resume();
      await transfer.done;
      await expectAll();
      expect(uploads).toHaveLength(FILES);
    },
  );
});

test('cancelling ends what is under way, and a later run goes on from there', async () => {
  let holds = true;
  await setUp(
    (upload) => (holds && upload > 60 ? 'hold' : undefined),
    async ({ local, client, uploads, expectAll }) => {
      const stop = new AbortController();
      const transfer = client.uploadDirectory(local, { to: 'to', signal: stop.signal });
      await expect.poll(() => uploads.length).toBe(68);
      stop.abort('enough');
      await expect(transfer.done).rejects.toBe('enough');
      expect(uploads).toHaveLength(68);
      holds = false;
      const { transferred, skipped } = await client.uploadDirectory(local, { to: 'to' }).done;
      expect(transferred.files + skipped.files).toBe(FILES);
      expect(skipped.files).toBeGreaterThanOrEqual(60);
      await expectAll();
    },
  );
});

test('what the server refuses for good fails as an upload does, and the others arrive', async () => {
  await setUp(
    () => undefined,
    async ({ local, client }) => {
      await writeFile(join(local, 'what?'), 'x');
      await utimes(join(local, 'what?'), LONG_AGO, LONG_AGO);
      const problems: string[] = [];
      const { transferred } = await client.uploadDirectory(local, {
        to: 'to',
        onEntry: (event) => event.type === 'problem' && problems.push(`${event.path} ${event.reason}`),
      }).done;
      expect(transferred.files).toBe(FILES);
      expect(problems).toEqual(['what? name']);
    },
  );
});

test('a file that never arrives has as many attempts as any other, the one of its own way among them', async () => {
  const asked = new Map<string, number>();
  const meet: Meet = (_upload, path) => {
    if (!/[38]$/.test(path)) return undefined;
    asked.set(path, (asked.get(path) ?? 0) + 1);
    return 'unavailable';
  };
  await setUp(meet, async ({ local, client }) => {
    const { failed } = await client.uploadDirectory(local, { to: 'to', onFailure: 'continue' }).done;
    expect(failed).toBe(FILES / 5);
    expect(new Set(asked.values())).toEqual(new Set([10]));
  });
});
