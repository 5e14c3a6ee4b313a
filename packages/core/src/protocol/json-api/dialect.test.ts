import { expect, test } from 'vitest';
import { type JsonApiDialect, jsonApiDialect } from './dialect.ts';
import { jsonApi } from './index.ts';

const init = { op: 'init', sizeBytes: 9, sliceSizeBytes: 64, attributes: 'a&b 中', overwrite: false } as const;
const slice = { op: 'slice', session: 's', index: 0, range: { offset: 0, length: 9 }, content: 'bytes' } as const;

test('fields of a deployment go with what makes an object, and with nothing else', () => {
  const wire = jsonApiDialect({ creating: { ttl: '24' } });
  const names = (operation: Parameters<typeof wire.encode>[0]): string[] | undefined =>
    wire.encode(operation, 'http://h/o').fields?.map(([name]) => name);
  expect(names(init)).toContain('ttl');
  expect(names({ op: 'single', sizeBytes: 5, content: 'bytes', overwrite: false })).toContain('ttl');
  expect(names(slice)).not.toContain('ttl');
  expect(names({ op: 'finish', session: 's', sizeBytes: 9, overwrite: false })).not.toContain('ttl');
});

test('urlencoded forms are for what has no content', () => {
  const wire = jsonApiDialect({ forms: 'urlencoded' });
  const request = wire.encode(init, 'http://h/o');
  expect(request).toMatchObject({ method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } });
  expect(request.fields).toBeUndefined();
  const expected = { op: 'upload_slice_init', filesize: '9', slice_size: '64', biz_attr: 'a&b 中', insertOnly: '1' };
  expect(Object.fromEntries(new URLSearchParams(request.text))).toEqual(expected);
  expect(wire.encode(slice, 'http://h/o')).toEqual(jsonApi.encode(slice, 'http://h/o'));
});

test.each<[string, unknown]>([
  ['forms', { forms: 'json' }],
  ['creating.op', { creating: { op: 'delete' } }],
  ['creating.a b', { creating: { 'a b': '1' } }],
  ['creating.ttl', { creating: { ttl: 24 } }],
])('a wrong %s is refused', (option, dialect) => {
  expect(() => jsonApiDialect(dialect as JsonApiDialect)).toThrow(
    expect.objectContaining({ code: 'invalid-options', issues: [expect.objectContaining({ option })] }),
  );
});
