import { describe, expect, test } from 'vitest';
import { createKeys } from './keys.ts';

const target = (path: string, bucket = 'films') => ({ appId: '10055004', bucket, path });

describe('the key of an object', () => {
  test.each([
    [undefined, '10055004/films/dir/a b'],
    ['cos', 'cos/10055004/films/dir/a b'],
    ['/cos/v4/', 'cos/v4/10055004/films/dir/a b'],
  ])('begins with the prefix %s, the app and the bucket', (prefix, key) => {
    const keys = createKeys({ bucket: 'home', prefix });
    expect(keys.object(target('dir/a b'))).toEqual({ bucket: 'home', key });
    expect(keys.directory(target('dir'))).toEqual({ bucket: 'home', key: key.replace('a b', '') });
  });

  test('is where the mapping says, for that bucket alone', () => {
    const keys = createKeys(
      { bucket: 'home', prefix: 'cos' },
      {
        '10055004/films': { bucket: 'old-films' },
        '10055004/books': { bucket: 'old-books', prefix: 'shelf/' },
      },
    );
    expect(keys.object(target('dir/a'))).toEqual({ bucket: 'old-films', key: 'dir/a' });
    expect(keys.directory(target(''))).toEqual({ bucket: 'old-films', key: '' });
    expect(keys.object(target('a', 'books'))).toEqual({ bucket: 'old-books', key: 'shelf/a' });
    expect(keys.directory(target('', 'books'))).toEqual({ bucket: 'old-books', key: 'shelf/' });
    expect(keys.object(target('a', 'music'))).toEqual({ bucket: 'home', key: 'cos/10055004/music/a' });
    expect(keys.own('locks/x')).toEqual({ bucket: 'home', key: 'cos/.cos-slice/locks/x' });
    expect(keys.locations).toEqual([
      { bucket: 'home', prefix: 'cos/' },
      { bucket: 'old-films', prefix: '' },
      { bucket: 'old-books', prefix: 'shelf/' },
    ]);
  });

  test("is never among what is the server's own, where a bucket is mapped to the whole of the server's", () => {
    const keys = createKeys({ bucket: 'home' }, { '10055004/films': { bucket: 'home' } });
    for (const path of ['.cos-slice', '.cos-slice/sessions/x']) {
      expect(() => keys.object(target(path)), path).toThrow(expect.objectContaining({ problem: 'refused' }));
    }
    expect(keys.isOwn({ bucket: 'home', key: '.cos-slice' })).toBe(true);
    expect(keys.isOwn({ bucket: 'home', key: '.cos-slices' })).toBe(false);
    expect(keys.object(target('dir/.cos-slice'))).toEqual({ bucket: 'home', key: 'dir/.cos-slice' });
    const elsewhere = createKeys({ bucket: 'home' }, { '10055004/films': { bucket: 'other' } });
    expect(elsewhere.object(target('.cos-slice/x'))).toEqual({ bucket: 'other', key: '.cos-slice/x' });
  });
});
