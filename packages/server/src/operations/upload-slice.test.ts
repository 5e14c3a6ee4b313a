import { describe, expect, test } from 'vitest';
import { post } from '../testing/client.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { startServer } from '../testing/server.ts';
import { SLICE_BYTES } from '../testing/upload.ts';

const PATH = 'dir/file.bin';
const damaged = (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] = (copy.at(-1) as number) ^ 1;
  return copy;
};

describe('upload_slice, the old operation', () => {
  test('goes on from the first missing slice and completes without a finish', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 3 * SLICE_BYTES + 100);
    const sha = sha1(bytes);
    const control = { op: 'upload_slice', sha, filesize: bytes.length, slice_size: SLICE_BYTES, insertOnly: '' };
    const { data } = (await post(test.urlOf(PATH), control)).json();
    expect(data).toMatchObject({ offset: 0, slice_size: SLICE_BYTES });
    const slice = (index: number, content = bytes.subarray(index * SLICE_BYTES, (index + 1) * SLICE_BYTES)) =>
      post(test.urlOf(PATH), {
        op: 'upload_slice',
        session: data.session,
        offset: index * SLICE_BYTES,
        filecontent: content,
      });
    expect((await slice(0)).json().data).toEqual({ session: data.session, offset: 0, datalen: SLICE_BYTES });
    await slice(1);
    const again = (await post(test.urlOf(PATH), control)).json();
    expect(again.data).toMatchObject({ session: data.session, offset: 2 * SLICE_BYTES });
    await slice(2);
    const last = (await slice(3)).json();
    expect(last.data).toMatchObject({ access_url: test.urlOf(PATH), url: test.urlOf(PATH), datalen: 100 });
    expect((await slice(3)).json().data).toMatchObject({ access_url: test.urlOf(PATH) });
    expect((await test.stored(PATH)).equals(bytes)).toBe(true);
  });

  test('verifies the whole file against its sha', async () => {
    const test = await startServer();
    const bytes = patternBytes(0, 1000);
    const { data } = (await post(test.urlOf(PATH), { op: 'upload_slice', sha: sha1(bytes), filesize: 1000 })).json();
    const fields = { op: 'upload_slice', session: data.session, offset: 0 };
    expect((await post(test.urlOf(PATH), { ...fields, filecontent: damaged(bytes) })).json().code).toBe(-4016);
    await expect(test.stored(PATH)).rejects.toThrow();
  });

  test('has an empty file at once', async () => {
    const test = await startServer();
    const reply = await post(test.urlOf(PATH), { op: 'upload_slice', filesize: 0 });
    expect(reply.json().data.access_url).toBe(test.urlOf(PATH));
    expect(await test.stored(PATH)).toHaveLength(0);
  });
});
