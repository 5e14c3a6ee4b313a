import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { post } from '../testing/client.ts';
import { ask, codeOf, dataOf, put } from '../testing/objects.ts';
import { startServer } from '../testing/server.ts';
import { ACCOUNT, sign } from '../testing/sign.ts';

describe('directories', () => {
  test('are created, and stay until they are deleted, which they must be empty for', async () => {
    const server = await startServer();
    const { resource_path } = await dataOf(ask(server, 'a/b/', 'create', { biz_attr: 'x' }));
    expect(resource_path).toBe('/10055004/demobucket/a/b/');
    expect((await stat(join(server.dir, ACCOUNT.appId, 'demobucket/a/b'))).isDirectory()).toBe(true);
    await put(server, 'a/b/c');
    for (const path of ['a/b/', 'a/']) {
      const reply = await ask(server, path, 'delete');
      expect([reply.status, reply.json().code]).toEqual([400, -173]);
    }
    await ask(server, 'a/b/c', 'delete');
    expect(await codeOf(ask(server, 'a/b/', 'stat'))).toBe(0);
    expect(await codeOf(ask(server, 'a/b/', 'delete'))).toBe(0);
    expect(await codeOf(ask(server, 'a/b/', 'stat'))).toBe(-197);
    expect(await readdir(join(server.dir, ACCOUNT.appId, 'demobucket'))).toEqual([]);
  });

  test('are not created where something is, nor a bucket deleted', async () => {
    const server = await startServer();
    await put(server, 'dir/file');
    await ask(server, 'made/', 'create');
    for (const path of ['made/', 'dir/file/', 'dir/file/x/', '']) {
      expect(await codeOf(ask(server, path, 'create')), path).toBe(-178);
    }
    // It is there because of the file: now it stays without it.
    expect(await codeOf(ask(server, 'dir/', 'create'))).toBe(0);
    for (const [path, op] of [
      ['a', 'create'],
      ['', 'delete'],
      ['', 'move'],
      ['made/', 'copy'],
      ['made/', 'upload'],
    ] as const) {
      expect(await codeOf(ask(server, path, op, { dest_fileid: '/x' })), `${op} ${path}`).toBe(-180);
    }
  });

  test('may be written with several slashes at their end', async () => {
    const server = await startServer();
    const url = `${server.urlOf('newdir')}//`;
    expect(await codeOf(post(url, { op: 'create' }))).toBe(0);
    expect(await codeOf(post(url, { op: 'stat' }))).toBe(0);
    const f = `/${ACCOUNT.appId}/demobucket/newdir//`;
    expect(await codeOf(post(url, { op: 'delete' }, sign({ e: 0, f })))).toBe(0);
    expect(await codeOf(ask(server, 'newdir/', 'stat'))).toBe(-197);
  });

  test('whose creation was not heard of can be created again under the same signature', async () => {
    const server = await startServer();
    const signature = sign();
    for (let round = 0; round < 2; round++) {
      expect(await codeOf(ask(server, 'a/', 'create', { biz_attr: 'x' }, signature))).toBe(0);
    }
    expect(await codeOf(ask(server, 'a/', 'create', { biz_attr: 'y' }, signature))).toBe(-178);
    expect(await codeOf(ask(server, 'a/', 'create', { biz_attr: 'x' }))).toBe(-178);
  });
});
