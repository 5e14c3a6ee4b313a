import { describe, expect, test } from 'vitest';
import { done, setUp } from '../testing/object-setting.ts';
import type { ObjectClient } from './client.ts';

describe('input that cannot work is refused before anything is sent', () => {
  test.each<[string, (client: ObjectClient) => Promise<unknown>, string]>([
    ['a path with dots', (client) => client.stat('a/../b'), 'path'],
    ['a path with a question mark', (client) => client.remove('a?'), 'path'],
    ['no path', (client) => client.stat(undefined as unknown as string), 'path'],
    ['the bucket', (client) => client.remove(''), 'path'],
    ['a directory without its slash', (client) => client.createDirectory('a'), 'path'],
    ['a directory to be downloaded', (client) => client.downloadUrl('a/'), 'path'],
    ['a directory to be copied', (client) => client.copy('a/', 'b/'), 'from'],
    ['a file to where a directory is', (client) => client.move('a', 'b/'), 'to'],
    ['a directory to where a file is', (client) => client.move('a/', 'b'), 'to'],
    ['a move to where it is', (client) => client.move('a', '/a'), 'to'],
    ['a copy to where it is', (client) => client.copy('a', 'a'), 'to'],
    ['a move into itself', (client) => client.move('a/', 'a/b/'), 'to'],
    ['a target with an empty segment', (client) => client.move('a', 'b//c'), 'to'],
    ['overwrite', (client) => client.move('a', 'b', { overwrite: 'skip' as unknown as boolean }), 'overwrite'],
    ['a page of nothing', (client) => client.listPage('', { pageSize: 0 }), 'pageSize'],
    ['an order', (client) => client.listPage('', { order: 'up' as 'ascending' }), 'order'],
    ['a pattern', (client) => client.listPage('', { pattern: '*' as 'both' }), 'pattern'],
    ['a context', (client) => client.listPage('', { context: '' }), 'context'],
    ['no changes', (client) => client.update('a', {}), 'changes'],
    ["a directory's authority", (client) => client.update('a/', { authority: 'private' }), 'changes'],
    ['an authority', (client) => client.update('a', { authority: 'eInvalid' as 'private' }), 'authority'],
    [
      'a header with a line break',
      (client) => client.update('a', { customHeaders: { 'x-a': 'b\r\nc: d' } }),
      'customHeaders.x-a',
    ],
    [
      'a header with a space in its name',
      (client) => client.update('a', { customHeaders: { 'x a': '' } }),
      'customHeaders.x a',
    ],
  ])('%s', async (_what, act, option) => {
    const { client, transport } = setUp(() => done);
    const error = await act(client).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'invalid-options', issues: [{ option }] });
    expect((error as Error).message).not.toContain('\n');
    expect(transport.requests).toHaveLength(0);
  });

  test('options of the client are checked as those of uploads are', () => {
    expect(() => setUp(() => done, { endpoint: 'ftp://x', retry: { attempts: 0 } })).toThrow(
      /endpoint must be.*retry\.attempts must be/,
    );
  });
});
