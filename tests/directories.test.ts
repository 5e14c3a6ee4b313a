import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Client, createClient, createSigner, type DirectoryEvent } from '@cos-slice/node';
import type { RequestInfo } from '@cos-slice/server';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ACCOUNT, type RunningStore, startStore } from './support/store.ts';

let folder: string;
let local: string;
let store: RunningStore;
let client: Client;
const requests: RequestInfo[] = [];

const signerFor = () => createSigner({ ...ACCOUNT, bucket: 'demobucket', bound: false });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-dirs-'));
  local = join(folder, 'local');
  await mkdir(local);
  requests.length = 0;
  store = await startStore(join(folder, 'store'), { onRequest: (info) => requests.push(info) });
  client = createClient({ ...store.options, signer: signerFor(), resume: false });
  onTestFinished(async () => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });
});

async function write(files: Readonly<Record<string, string>>, top = local): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(top, path)), { recursive: true });
    await writeFile(join(top, path), content);
  }
}

/** Files with their content, directories with nothing. */
async function tree(top: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(top, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(top.length + 1);
    if (entry.isFile()) found[name] = await readFile(path, 'utf8');
    else found[`${name}/`] = '';
  }
  return found;
}

const events = (): { list: string[]; onEntry: (event: DirectoryEvent) => void } => {
  const list: string[] = [];
  return { list, onEntry: (event) => list.push(`${event.type} ${event.path}`) };
};

const FILES = { 'a.txt': 'one', 'b/c.txt': 'two', 'b/d/e.txt': 'three', '目录/文件 名.txt': 'four', 'b/empty.txt': '' };

test('a directory arrives with empty directories, and a second run sends nothing', async () => {
  await write(FILES);
  await mkdir(join(local, 'nothing/at/all'), { recursive: true });
  const first = await client.uploadDirectory(local, { to: '/backup/' }).done;
  expect(first).toMatchObject({
    transferred: { files: 5, bytes: 15 },
    skipped: { files: 0 },
    failed: 0,
    movedBytes: 15,
  });
  expect(await tree(store.file('backup'))).toEqual(await tree(local));
  requests.length = 0;
  const again = await client.uploadDirectory(local, { to: 'backup' }).done;
  expect(again).toMatchObject({
    transferred: { files: 0 },
    skipped: { files: 5, bytes: 15 },
    created: 0,
    movedBytes: 0,
  });
  // One list for each directory, and not a request for each file.
  await expect.poll(() => requests.map(({ op }) => op)).toEqual(Array.from({ length: 7 }, () => 'list'));
});

test('it comes back as it was, and a second run receives nothing', async () => {
  await write(FILES);
  await mkdir(join(local, 'nothing/at/all'), { recursive: true });
  await client.uploadDirectory(local, { to: 'backup' }).done;
  const copy = join(folder, 'copy');
  const first = await client.downloadDirectory('backup', copy).done;
  expect(first).toMatchObject({ transferred: { files: 5, bytes: 15 }, failed: 0 });
  expect(await tree(copy)).toEqual(await tree(local));
  const again = await client.downloadDirectory('backup', copy).done;
  expect(again).toMatchObject({ transferred: { files: 0 }, skipped: { files: 5 }, movedBytes: 0 });
});

test('what was changed is sent again, also when its size is the same, and what is older is not', async () => {
  await write(FILES);
  await client.uploadDirectory(local).done;
  await write({ 'a.txt': 'ONE', 'b/c.txt': 'longer' });
  const later = new Date(Date.now() + 5_000);
  await utimes(join(local, 'a.txt'), later, later);
  const seen = events();
  await client.uploadDirectory(local, { onEntry: seen.onEntry }).done;
  expect(seen.list.filter((line) => line.startsWith('transferred')).sort()).toEqual([
    'transferred a.txt',
    'transferred b/c.txt',
  ]);
  expect(await tree(store.file(''))).toEqual(await tree(local));
});

describe('skip', () => {
  test.each<[skip: 'existing' | 'same-size' | 'same-content' | false, sent: string[]]>([
    ['existing', ['new.txt']],
    ['same-size', ['bigger.txt', 'new.txt']],
    ['same-content', ['bigger.txt', 'edited.txt', 'new.txt']],
    [false, ['bigger.txt', 'edited.txt', 'new.txt', 'touched.txt']],
  ])('%s', async (skip, sent) => {
    await write({ 'touched.txt': 'same', 'edited.txt': 'aaaa', 'bigger.txt': 'b' });
    await client.uploadDirectory(local, { integrity: 'sha1' }).done;
    await write({ 'touched.txt': 'same', 'edited.txt': 'bbbb', 'bigger.txt': 'bbb', 'new.txt': 'n' });
    const seen = events();
    await client.uploadDirectory(local, { skip, integrity: 'sha1', onEntry: seen.onEntry }).done;
    const expected = sent.map((path) => `transferred ${path}`);
    expect(seen.list.filter((line) => line.startsWith('transferred')).sort()).toEqual(expected);
  });

  test('a function decides, and is given both sides', async () => {
    await write({ 'a.txt': 'a', 'b.txt': 'b' });
    await client.uploadDirectory(local).done;
    const asked: string[] = [];
    const result = await client.uploadDirectory(local, {
      skip: (file, object) => {
        asked.push(`${file.path} ${file.sizeBytes} ${object.path} ${object.sizeBytes}`);
        return file.path === 'a.txt';
      },
    }).done;
    expect(asked.sort()).toEqual(['a.txt 1 a.txt 1', 'b.txt 1 b.txt 1']);
    expect(result).toMatchObject({ transferred: { files: 1 }, skipped: { files: 1 } });
  });
});

test('only what is wanted takes part, and what is excluded is not removed', async () => {
  await write({ 'a.jpg': '', 'a.tmp': '', 'cache/x.jpg': '', 'x/b.jpg': '', 'x/b.png': '' });
  await write({ 'cache/kept.jpg': 'kept', 'x/extra.jpg': 'extra', 'x/extra.tmp': '' }, store.file(''));
  const seen = events();
  const options = { include: ['*.jpg'], exclude: ['cache/'], deleteExtra: true, onEntry: seen.onEntry };
  await client.uploadDirectory(local, options).done;
  expect(Object.keys(await tree(store.file(''))).sort()).toEqual(
    ['a.jpg', 'cache/', 'cache/kept.jpg', 'x/', 'x/b.jpg', 'x/extra.tmp'].sort(),
  );
  expect(seen.list).toContain('deleted x/extra.jpg');
});

test('deleteExtra makes both sides the same, in both directions; a dry run does nothing', async () => {
  await write({ 'a.txt': 'a', 'dir/b.txt': 'b' });
  await write({ 'gone/deep/x.txt': 'x', 'dir/y.txt': 'y' }, store.file(''));
  const before = await tree(store.file(''));
  const dry = events();
  await client.uploadDirectory(local, { deleteExtra: true, dryRun: true, onEntry: dry.onEntry }).done;
  expect(await tree(store.file(''))).toEqual(before);
  const wet = events();
  const result = await client.uploadDirectory(local, { deleteExtra: true, onEntry: wet.onEntry }).done;
  expect(await tree(store.file(''))).toEqual(await tree(local));
  expect(result.deleted).toBe(4);
  expect([...wet.list].sort()).toEqual([...dry.list].sort());
  const copy = join(folder, 'copy');
  await write({ 'old/z.txt': 'z', 'a.txt': 'other' }, copy);
  const down = await client.downloadDirectory('', copy, { deleteExtra: true }).done;
  expect(down).toMatchObject({ deleted: 2, transferred: { files: 2 } });
  expect(await tree(copy)).toEqual(await tree(local));
});

test.skipIf(process.platform === 'win32').each([
  ['closed', 0o000],
  ['listed and no more', 0o600],
])('what is in a directory that is %s is not deleted on the other side', async (_how, mode) => {
  await write({ 'a.txt': 'a', 'private/only-copy': 'precious' });
  await write({ 'private/only-copy': 'precious', 'gone.txt': 'x' }, store.file(''));
  await Promise.all([folder, local].map((dir) => chmod(dir, 0o755)));
  await chmod(join(local, 'private'), mode);
  onTestFinished(() => chmod(join(local, 'private'), 0o755));
  const script = `
    import { createClient, createSigner } from ${JSON.stringify(new URL('../packages/node/dist/index.js', import.meta.url))};
    const { endpoint, appId, local, account } = JSON.parse(process.argv[1]);
    const signer = createSigner({ ...account, bucket: 'demobucket', bound: false });
    const client = createClient({ endpoint, appId, bucket: 'demobucket', signer, resume: false });
    const told = [];
    const onEntry = ({ type, path, reason }) => told.push([type, path, reason].join(' ').trim());
    await client.uploadDirectory(local, { deleteExtra: true, onEntry }).done;
    console.log(JSON.stringify(told));`;
  const { endpoint, appId } = store.options;
  const given = JSON.stringify({ endpoint, appId, local, account: ACCOUNT });
  // A superuser reads everything.
  const user = process.getuid?.() === 0 ? { uid: 54_321, gid: 54_321 } : {};
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, given], user);
  const told: string[] = JSON.parse(stdout);
  expect(told).toContain('problem private/only-copy unreadable');
  expect(told).toContain('deleted gone.txt');
  expect(String(await store.read('private/only-copy'))).toBe('precious');
});

test('one file that fails stops the rest, or is told at the end', async () => {
  await write({ 'a.txt': 'a', 'taken/x.txt': 'x', 'z.txt': 'z' });
  await write({ taken: 'a file where a directory has to be' }, store.file(''));
  await expect(client.uploadDirectory(local).done).rejects.toMatchObject({ code: 'wrong-kind' });
  const result = await client.uploadDirectory(local, { onFailure: 'continue', deleteExtra: true }).done;
  expect(result.failures.map(({ path }) => path).sort()).toEqual(['taken/', 'taken/x.txt']);
  expect(result).toMatchObject({ failed: 2, deleted: 0 });
  expect(String(await store.read('z.txt'))).toBe('z');
});

test('what cannot be uploaded is told and not fatal, unless it is to be', async () => {
  await write({ 'a.txt': 'a' });
  await symlink('a.txt', join(local, 'link'));
  execFileSync('mkfifo', [join(local, 'pipe')]);
  const seen = events();
  const result = await client.uploadDirectory(local, { onEntry: seen.onEntry }).done;
  expect(result).toMatchObject({ problems: 2, failed: 0, transferred: { files: 1 } });
  expect(seen.list.filter((line) => line.startsWith('problem')).sort()).toEqual(['problem link', 'problem pipe']);
  await expect(client.uploadDirectory(local, { strict: true }).done).rejects.toMatchObject({
    code: 'source-unreadable',
    message: expect.stringMatching(/link|pipe/),
  });
});

test('what cannot have its name on the other side is told and left out, and the rest arrives', async () => {
  await write({ 'at 12:30.jpg': 'one', 'plain.jpg': 'two', 'why?/inside.txt': 'three', 'z/last.txt': 'four' });
  const told: DirectoryEvent[] = [];
  const result = await client.uploadDirectory(local, { to: 'backup', onEntry: (event) => told.push(event) }).done;
  expect(result).toMatchObject({ problems: 3, failed: 0, transferred: { files: 2 } });
  const problems = told.filter((event) => event.type === 'problem');
  expect(problems.map(({ path, reason }) => `${path} ${reason}`).sort()).toEqual([
    'at 12:30.jpg name',
    'why?/ name',
    'why?/inside.txt name',
  ]);
  expect(problems[0]?.message).toMatch(/rename it \(must not contain \? \* : /);
  expect(await tree(store.file('backup'))).toEqual({ 'plain.jpg': 'two', 'z/': '', 'z/last.txt': 'four' });
  // Of the target itself: nothing could arrive.
  const nowhere = client.uploadDirectory(local, { to: 'back?up' });
  await expect(nowhere.done).rejects.toMatchObject({ code: 'invalid-options', issues: [{ option: 'to' }] });
  const strict = client.uploadDirectory(local, { to: 'backup', strict: true });
  await expect(strict.done).rejects.toMatchObject({
    code: 'source-unreadable',
    message: expect.stringMatching('rename it'),
  });
});

test('progress is of the whole, with a line for each file under way, and pauses', async () => {
  await write(Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`f${index}`, 'x'.repeat(1000 + index)])));
  let mostActive = 0;
  const fractions: number[] = [];
  const upload = client.uploadDirectory(local, {
    count: true,
    onProgress({ active, fraction, doneBytes, found }) {
      mostActive = Math.max(mostActive, active.length);
      if (fraction !== undefined) fractions.push(fraction);
      expect(doneBytes).toBeLessThanOrEqual(Math.max(found.bytes, doneBytes));
    },
  });
  upload.pause();
  expect(upload.state.paused).toBe(true);
  setTimeout(upload.resume, 50);
  await upload.done;
  expect(upload.state).toMatchObject({ phase: 'done', fraction: 1, found: { files: 40 }, active: [] });
  expect(mostActive).toBeLessThanOrEqual(16);
  expect(fractions).toEqual([...fractions].sort((one, other) => one - other));
});

test('cancelled, it rejects with the reason and leaves nothing half-done; the next run completes it', async () => {
  await write(Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`d${index % 7}/f${index}`, `${index}`])));
  const controller = new AbortController();
  let count = 0;
  const upload = client.uploadDirectory(local, {
    signal: controller.signal,
    onEntry: ({ type }) => {
      if (type === 'transferred') count += 1;
      if (count === 10) controller.abort('enough');
    },
  });
  await expect(upload.done).rejects.toBe('enough');
  expect(upload.state.phase).toBe('cancelled');
  const { transferred, skipped } = await client.uploadDirectory(local).done;
  expect(transferred.files + skipped.files).toBe(60);
  expect(skipped.files).toBeGreaterThanOrEqual(10);
  expect(await tree(store.file(''))).toEqual(await tree(local));
});

describe('nothing that a server says leads out of the directory', () => {
  /** A server that lists these names, and has content for every path. */
  async function listing(names: readonly string[]): Promise<Client> {
    const server = createServer((req, res) => {
      const { port } = server.address() as AddressInfo;
      const at = `http://127.0.0.1:${port}/evil`;
      const infos = names.map((name) => ({
        name,
        filesize: 4,
        access_url: at,
        ...(!name.endsWith('/') && { sha: '' }),
      }));
      if (req.url?.includes('op=list')) {
        const top = /\/b\/from\/\?/.test(req.url);
        res.end(
          JSON.stringify({
            code: 0,
            message: 'SUCCESS',
            data: { infos: top ? infos : [], listover: true, context: '' },
          }),
        );
      } else if (req.url?.includes('op=stat')) {
        res.end(JSON.stringify({ code: 0, message: 'SUCCESS', data: { filesize: 4, access_url: at } }));
      } else res.end('evil');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const endpoint = `http://127.0.0.1:${port}/files/v2`;
    return createClient({ endpoint, appId: '1', bucket: 'b', signer: () => 'c2ln', proxy: false });
  }

  test('names', async () => {
    const evil = await listing(['../evil', '..', '.', '/etc/evil', 'a/../../evil', '..//', '../', 'nul\0', 'good']);
    const target = join(folder, 'deep/target');
    const { problems, transferred } = await evil.downloadDirectory('from', target).done;
    expect(problems).toBeGreaterThanOrEqual(6);
    expect(transferred.files).toBe(1);
    expect(await tree(join(folder, 'deep'))).toEqual({ 'target/': '', 'target/good': 'evil' });
  });

  test('links that are there already', async () => {
    const outside = join(folder, 'outside');
    const target = join(folder, 'target');
    await Promise.all([mkdir(outside), mkdir(target)]);
    await symlink(outside, join(target, 'sub'));
    await symlink(join(outside, 'file.txt'), join(target, 'a.txt'));
    await write({ 'sub/x.txt': 'x', 'a.txt': 'a' }, store.file('from'));
    const { problems } = await client.downloadDirectory('from', target).done;
    expect(problems).toBe(1);
    expect(await readdir(outside)).toEqual([]);
    expect(await readFile(join(target, 'a.txt'), 'utf8')).toBe('a');
  });
});

test('options that cannot be are told at once, each', () => {
  const call = () =>
    client.uploadDirectory('', { include: ['['], skip: 'never' as never, onFailure: 'ask' as never, to: 7 as never });
  expect(call).toThrow(/to must be.*directory must be.*include cannot.*skip must.*onFailure must/);
});

test('a directory that is not there rejects', async () => {
  await expect(client.uploadDirectory(join(folder, 'none')).done).rejects.toMatchObject({ code: 'source-unreadable' });
  await expect(client.downloadDirectory('none', join(folder, 'copy')).done).rejects.toMatchObject({
    code: 'not-found',
  });
  await expect(stat(join(folder, 'copy'))).rejects.toMatchObject({ code: 'ENOENT' });
});
