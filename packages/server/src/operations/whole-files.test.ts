import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { post } from '../testing/client.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { startServer } from '../testing/server.ts';

describe('upload', () => {
  test('stores files from nothing to 20 MB', async () => {
    const test = await startServer();
    for (const size of [0, 1, 100_000, 20 * 1048576]) {
      const bytes = patternBytes(0, size);
      const reply = await post(test.urlOf(`s${size}`), { op: 'upload', filecontent: bytes, sha: sha1(bytes) });
      expect(reply.json()).toMatchObject({ code: 0, data: { access_url: test.urlOf(`s${size}`) } });
      expect((await test.stored(`s${size}`)).equals(bytes)).toBe(true);
    }
    const large = await post(test.urlOf('large'), { op: 'upload', filecontent: Buffer.alloc(20 * 1048576 + 1) });
    expect([large.status, large.json().code]).toEqual([400, -5999]);
    await expect(test.stored('large')).rejects.toThrow();
  });

  test('verifies sha and takes fields in any order', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 1000);
    const wrong = await post(test.urlOf('a'), { filecontent: bytes, op: 'upload', sha: '00'.repeat(20) });
    expect([wrong.status, wrong.json().code]).toEqual([409, -4016]);
    expect((await post(test.urlOf('a'), { filecontent: bytes, sha: sha1(bytes), op: 'upload' })).json().code).toBe(0);
    expect((await post(test.urlOf('b'), { op: 'upload' })).json().code).toBe(-5999);
    expect(await readdir(join(test.dir, '.cos-slice/spool'))).toEqual([]);
  });

  test('overwrites only when told so', async () => {
    const test = await startServer();
    const put = async (content: string, extra: Record<string, string | number>) =>
      (await post(test.urlOf('a'), { op: 'upload', filecontent: content, ...extra })).json().code;
    expect(await put('one', {})).toBe(0);
    expect(await put('two', {})).toBe(-177);
    expect(await put('two', { insertOnly: 1 })).toBe(-177);
    expect(await put('three', { insertOnly: 0 })).toBe(0);
    expect((await test.stored('a')).toString()).toBe('three');
  });

  test('says -178 where a directory is or a file should be one', async () => {
    const test = await startServer();
    await mkdir(join(test.dir, '10055004/demobucket/dir'), { recursive: true });
    await post(test.urlOf('file'), { op: 'upload', filecontent: 'x' });
    for (const path of ['dir', 'file/below', 'file/below/that']) {
      for (const fields of [
        { op: 'upload', filecontent: 'x' },
        { op: 'upload_slice_init', filesize: 1 },
      ]) {
        const reply = await post(test.urlOf(path), { ...fields, insertOnly: 0 });
        expect([reply.status, reply.json().code]).toEqual([409, -178]);
      }
    }
    expect((await readdir(join(test.dir, '10055004/demobucket'))).sort()).toEqual(['dir', 'file']);
  });
});
