import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { post, send } from '../testing/client.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { startServer } from '../testing/server.ts';
import { sign, signOnce } from '../testing/sign.ts';
import { createUploader } from '../testing/upload.ts';

describe('upload', () => {
  it('stores files from nothing to 20 MB', async () => {
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

  it('verifies sha and takes fields in any order', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 1000);
    const wrong = await post(test.urlOf('a'), { filecontent: bytes, op: 'upload', sha: '00'.repeat(20) });
    expect([wrong.status, wrong.json().code]).toEqual([409, -4016]);
    expect((await post(test.urlOf('a'), { filecontent: bytes, sha: sha1(bytes), op: 'upload' })).json().code).toBe(0);
    expect((await post(test.urlOf('b'), { op: 'upload' })).json().code).toBe(-5999);
    expect(await readdir(join(test.dir, '.cos-slice/spool'))).toEqual([]);
  });

  it('overwrites only when told so', async () => {
    const test = await startServer();
    const put = async (content: string, extra: Record<string, string | number>) =>
      (await post(test.urlOf('a'), { op: 'upload', filecontent: content, ...extra })).json().code;
    expect(await put('one', {})).toBe(0);
    expect(await put('two', {})).toBe(-177);
    expect(await put('two', { insertOnly: 1 })).toBe(-177);
    expect(await put('three', { insertOnly: 0 })).toBe(0);
    expect((await test.stored('a')).toString()).toBe('three');
  });

  it('says -178 where a directory is or a file should be one', async () => {
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

describe('delete', () => {
  it('takes a one-time signature for exactly this path, once', async () => {
    const test = await startServer();
    await post(test.urlOf('a b'), { op: 'upload', filecontent: 'x' });
    const remove = async (signature: string) => {
      const reply = await post(test.urlOf('a b'), { op: 'delete' }, signature);
      return [reply.status, reply.json().code];
    };
    expect(await remove(sign())).toEqual([403, -97]);
    expect(await remove(signOnce('a'))).toEqual([403, -63]);
    expect(await remove(signOnce('a b', { t: 1000 }))).toEqual([403, -59]);
    const signature = signOnce('a b');
    expect(await remove(signature)).toEqual([200, 0]);
    expect(await remove(signature)).toEqual([403, -59]);
    expect(await remove(signOnce('a b'))).toEqual([404, -197]);
    const json = await send(test.urlOf('a b'), {
      headers: { Authorization: signOnce('a b'), 'Content-Type': 'application/json' },
      body: '{"op":"delete"}',
    });
    expect(json.json().code).toBe(-197);
  });

  it('drops an unfinished upload and spares the finished file', async () => {
    const test = await startServer();
    await post(test.urlOf('a'), { op: 'upload', filecontent: 'x' });
    const upload = createUploader(test.urlOf('a'));
    await upload.init();
    await upload.data(0);
    expect((await post(test.urlOf('a'), { op: 'delete' }, signOnce('a'))).json().code).toBe(0);
    expect((await test.stored('a')).toString()).toBe('x');
    expect((await upload.data(1)).json().code).toBe(-197);
    expect((await post(test.urlOf('a'), { op: 'delete' }, signOnce('a'))).json().code).toBe(0);
    await expect(test.stored('a')).rejects.toThrow();
  });
});
