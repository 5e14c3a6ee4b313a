import { expect, test } from 'vitest';
import { contentHeaders } from './content-type.ts';

test('known types are shown where they stand, and all else is offered for saving', () => {
  expect(contentHeaders('dir/a.PNG')).toMatchObject({ 'Content-Type': 'image/png' });
  for (const path of ['a.html', 'a.svg', 'png', 'a', 'a.constructor', 'a.__proto__', 'a.toString']) {
    expect(contentHeaders(path), path).toEqual({
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename*=UTF-8''${path}`,
    });
  }
});
