import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { demo, dir, page, useDemo } from './setting.ts';

useDemo();

test('signatures are for the demo bucket and the path asked for only', async () => {
  const ask = (claim: object, type = 'application/json'): Promise<Response> =>
    fetch(`${demo.url}/sign`, { method: 'POST', headers: { 'Content-Type': type }, body: JSON.stringify(claim) });
  const claim = { appId: '1250000000', bucket: 'demo', path: 'a.bin', effect: 'multi', nowSec: 9_999_999_999 };
  const { signature } = (await (await ask(claim)).json()) as { signature: string };
  const text = Buffer.from(signature, 'base64').subarray(20).toString();
  expect(text).toContain('f=/1250000000/demo/a.bin');
  expect(Number(/&e=(\d+)/.exec(text)?.[1])).toBeLessThan(Date.now() / 1000 + 3600);
  expect((await ask({ ...claim, bucket: 'other' })).status).toBe(403);
  expect((await ask({ ...claim, appId: '1' })).status).toBe(403);
  expect((await ask({ ...claim, path: '' })).status).toBe(400);
  // What a form of another page can send.
  expect((await ask(claim, 'text/plain')).status).toBe(415);
  const elsewhere = `${demo.url}/files/v2/1250000000/demo/b.bin?sign=${encodeURIComponent(signature)}`;
  const form = new FormData();
  form.append('op', 'upload_slice_list');
  expect((await fetch(elsewhere, { method: 'POST', body: form })).status).toBe(403);
});

test('without an object store there is no choice', async () => {
  await page.locator('body[data-ready]').waitFor({ state: 'attached' });
  expect(await page.locator('#wire').isVisible()).toBe(false);
  expect(await page.locator('#faults').isVisible()).toBe(true);
  const body = JSON.stringify({ requests: [] });
  const asked = await fetch(`${demo.url}/sign`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  expect(asked.status).toBe(403);
  expect((await fetch(`${demo.url}/demo/open?path=demo/a`)).status).toBe(404);
});

test('the command says where it is and where uploads land, and ends when interrupted', async () => {
  const main = fileURLToPath(new URL('../server/main.js', import.meta.url));
  const env = { ...process.env, PORT: '0', DEMO_DIR: join(dir, 'command') };
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith('ready ')) break;
  }
  expect(lines[0]).toBe(`uploads land in ${join(dir, 'command/1250000000/demo')}`);
  const url = lines[1]?.slice('ready '.length) ?? '';
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  // An open page does not keep it from ending.
  const events = await fetch(`${url}/demo/events`);
  expect((await fetch(url)).status).toBe(200);
  const ended = new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
  });
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  await events.body?.cancel().catch(() => {});
});
