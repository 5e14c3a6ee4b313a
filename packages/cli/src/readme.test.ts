import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLI } from './testing/cli.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const READMES = ['README.md', 'README.zh-CN.md'];

let folder: string;
let port: number;
const children: ChildProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-readme-'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'film.mp4'), Buffer.alloc(3_000_000, 5));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  port = (probe.address() as { port: number }).port;
  probe.close();
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

const samples = async (readme: string, language: string): Promise<string[]> => {
  const text = await readFile(join(ROOT, readme), 'utf8');
  return [...text.matchAll(/```(\w+)\n(.*?)```/gs)].flatMap(([, tag, code = '']) => (tag === language ? [code] : []));
};
const sample = async (readme: string, language: string, word: string): Promise<string> => {
  const found = (await samples(readme, language)).find((code) => code.includes(word));
  if (found === undefined) throw new Error(`${readme} has no ${language} sample with ${word}`);
  return found.replaceAll('9000', String(port));
};

const start = async (command: string, args: string[]) => {
  const env = { PATH: process.env.PATH, COS_SECRET_ID: 'demo', COS_SECRET_KEY: 'k', XDG_STATE_HOME: folder };
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return { child, output: () => output };
};
const startScript = async (name: string, code: string) => {
  await writeFile(join(folder, name), code);
  return start(process.execPath, [name]);
};

test('the samples of the README work, one after another', async () => {
  const server = await startScript('server.mjs', await sample('README.md', 'js', 'createSliceServer('));
  while (!server.output().includes('clients use')) await new Promise((resolve) => setTimeout(resolve, 20));

  const node = await startScript('upload.mjs', await sample('README.md', 'js', 'uploadFile('));
  expect(await once(node.child, 'close')).toEqual([0, null]);
  expect(node.output()).toContain('done 100%');
  expect(node.output()).toContain('demo/films/from-node.mp4 { resumedBytes: 0, sentBytes: 3000000 }');

  const upload = await sample('README.md', 'sh', 'export COS_SLICE_ENDPOINT');
  const scripted = await sample('README.md', 'sh', '--json');
  const script = `${upload}${scripted}`
    .replace('COS_SECRET_KEY=...', 'COS_SECRET_KEY=k')
    .replaceAll('npx cos-slice', `'${process.execPath}' '${CLI}'`);
  const shell = await start('sh', ['-ec', script]);
  expect([await once(shell.child, 'close'), shell.output()]).toEqual([[0, null], expect.any(String)]);
  const film = await readFile(join(folder, 'film.mp4'));
  for (const copy of ['copy.mp4', 'store/10000000/demo/films/film.mp4', 'store/10000000/demo/films/copy.mp4']) {
    expect((await readFile(join(folder, copy))).equals(film)).toBe(true);
  }
});

test.each([
  ['js', 'createSliceServer('],
  ['js', 'uploadFile('],
  ['sh', 'npm ci'],
  ['sh', 'npm pack'],
  ['sh', 'serve --root'],
  ['sh', 'export COS_SLICE_ENDPOINT'],
  ['sh', '--json'],
])('both READMEs have the same %s sample with %s', async (language, word) => {
  const [english, chinese] = await Promise.all(READMES.map((readme) => sample(readme, language, word)));
  expect(chinese).toBe(english);
});

test('every error code is explained in both READMEs', async () => {
  const source = await readFile(join(ROOT, 'packages/core/src/errors.ts'), 'utf8');
  const codes = [...source.matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, code]) => code);
  expect(codes).toContain('hashing-failed');
  for (const readme of READMES) {
    const text = await readFile(join(ROOT, readme), 'utf8');
    for (const code of codes) expect(text).toContain(`\`${code}\``);
  }
});
