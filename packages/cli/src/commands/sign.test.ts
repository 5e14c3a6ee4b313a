import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../testing/cli.ts';
import { createWorld, KEY, type World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

const sign = (...args: string[]) => runCli(['sign', ...args], { env: world.env });

const signature = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await sign(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^\S+\n$/);
  return stdout.trim();
};

/** What the real server says to a request on demo/PATH that is signed so. */
const send = async (op: string, path: string, authorization: string): Promise<number> => {
  const body = new FormData();
  body.set('op', op);
  if (op === 'upload') body.set('filecontent', new Blob(['content']));
  const url = `${world.endpoint}/10055004/demo/${encodeURI(path)}`;
  const reply = await fetch(url, { method: 'POST', body, headers: { Authorization: authorization } });
  return ((await reply.json()) as { code: number }).code;
};

const fieldsOf = (text: string) => new URLSearchParams(Buffer.from(text, 'base64').subarray(20).toString());

describe('a signature', () => {
  test('for a bucket covers every path in it, and no other bucket', async () => {
    const text = await signature('demo');
    expect(await send('upload', 'a/1.txt', text)).toBe(0);
    expect(await send('upload', 'b/2.txt', text)).toBe(0);
    expect(await send('upload', '1.txt', await signature('other'))).toBe(-61);
  });

  test('for a path covers that path, unless it is not bound', async () => {
    const path = '目录 1/文件 +%.txt';
    const text = await signature(`demo/${path}`);
    expect(await send('upload', 'another.txt', text)).toBe(-63);
    expect(await send('upload_slice_list', path, text)).toBe(-197);
    expect(await send('upload', 'unbound.txt', await signature(`demo/${path}`, '--no-bind'))).toBe(0);
    expect(fieldsOf(await signature(`demo/${path}`, '--bind')).get('f')).not.toBe('');
  });

  test('for a folder covers what is in it', async () => {
    const text = await signature('demo/folder/');
    expect(await send('upload', 'folder/1.txt', text)).toBe(0);
    expect(await send('upload', 'folder2/1.txt', text)).toBe(-63);
  });

  test('is good for an hour, or as long as asked', async () => {
    const lifetime = (fields: URLSearchParams) => Number(fields.get('e')) - Number(fields.get('t'));
    expect(lifetime(fieldsOf(await signature('demo')))).toBe(3600);
    expect(lifetime(fieldsOf(await signature('demo', '--expires', '7776000')))).toBe(7_776_000);
  });

  test('for one use deletes one object, once', async () => {
    await send('upload', 'gone.txt', await signature('demo'));
    const text = await signature('demo/gone.txt', '--once');
    expect(fieldsOf(text).get('e')).toBe('0');
    expect(await send('delete', 'gone.txt', text)).toBe(0);
    expect(await send('delete', 'gone.txt', text)).toBe(-59);
  });

  test('goes into a URL with --query', async () => {
    await send('upload', 'download.txt', await signature('demo'));
    const query = await signature('demo/download.txt', '--query');
    const reply = await fetch(`${world.endpoint}/10055004/demo/download.txt?${query}`);
    expect(await reply.text()).toBe('content');
  });

  test('comes as JSON with --json, without the key', async () => {
    const { stdout } = await sign('demo/a/b.txt', '--json', '--expires', '600');
    const facts = JSON.parse(stdout);
    expect(facts).toMatchObject({ ok: true, appId: '10055004', bucket: 'demo', path: 'a/b.txt', effect: 'multi' });
    expect(facts.expiresAtSec).toBe(Number(fieldsOf(facts.signature).get('e')));
    expect(stdout + Buffer.from(facts.signature, 'base64').toString()).not.toContain(KEY);
  });
});

describe('a signature that cannot be', () => {
  test.each<[name: string, args: string[], message: RegExp]>([
    ['no target', [], /BUCKET\[\/PATH\].*--help$/],
    ['an empty target', ['/'], /must be BUCKET or BUCKET\/PATH/],
    ['one use of a bucket', ['demo', '--once'], /--once needs BUCKET\/PATH/],
    ['a bucket bound to nothing', ['demo', '--bind'], /--bind needs BUCKET\/PATH/],
    ['one use of everything', ['demo/a', '--once', '--no-bind'], /leave out --no-bind/],
    ['one use with a time', ['demo/a', '--once', '--expires', '60'], /leave out --expires/],
    [
      'a time that is none',
      ['demo', '--expires', 'soon'],
      /--expires must be a whole number from 60 to 7776000, got 'soon'/,
    ],
    ['more than 90 days', ['demo', '--expires', '7776001'], /--expires must be/],
    ['an odd secret id', ['demo', '--secret-id', 'a&b'], /--secret-id must not contain/],
  ])('%s: one line and exit code 2', async (_name, args, message) => {
    const { code, stdout, stderr } = await sign(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^cos-slice: [^\n]+\n$/);
    expect(stderr.trim()).toMatch(message);
  });

  test('no settings: all named at once', async () => {
    const { code, stdout, stderr } = await runCli(['sign', 'demo', '--json']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/missing --app-id .*, --secret-id .*, --secret-key \(or COS_SECRET_KEY\)\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'usage' });
  });
});
