import { expect, test } from 'vitest';
import { createNameTable } from './name-table.ts';
import { isSafeName } from './safe-name.ts';

test('a table tells what each name was set to, and nothing of others', () => {
  const table = createNameTable();
  for (let index = 0; index < 20_000; index += 1)
    table.set(`文件 ${index}`, { sizeBytes: index * 2 ** 22, modifiedAtSec: index });
  table.set('文件 7', { sizeBytes: 1, modifiedAtSec: 2 });
  expect(table.size).toBe(20_000);
  expect(table.get('文件 7')).toEqual({ sizeBytes: 1, modifiedAtSec: 2 });
  for (const index of [0, 1, 255, 19_999]) {
    expect(table.get(`文件 ${index}`)).toEqual({ sizeBytes: index * 2 ** 22, modifiedAtSec: index });
  }
  expect(table.get('文件 20000')).toBeUndefined();
});

test.each(['a', 'a b', '.hidden', '...', '照片.jpg', 'a:b', 'con.d'])('%j may be a name', (name) => {
  expect(isSafeName(name, 'linux')).toBe(true);
});

test.each(['', '.', '..', '/etc', 'a/b', '../a', 'a\0b', '\uD800'])('%j may not', (name) => {
  expect(isSafeName(name, 'linux')).toBe(false);
});

test.each(['C:', 'C:a', 'a\\b', '..\\a', 'CON', 'nul.txt', 'COM1', 'a.', 'a ', 'a?', 'a\u0001'])(
  '%j may not on Windows',
  (name) => {
    expect(isSafeName(name, 'win32')).toBe(false);
  },
);
