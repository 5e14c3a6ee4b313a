import { describe, expect, test } from 'vitest';
import { parseXml, textOf } from './xml.ts';

describe('entities', () => {
  test.each([
    ['&#65;&#x42;&amp;&lt;', 'AB&<'],
    // No character has such a number, and no entity such a name.
    ['&#1114112;&#x110000;&#99999999999;', '&#1114112;&#x110000;&#99999999999;'],
    ['&constructor;&toString;', '&constructor;&toString;'],
  ])('%s is %s', (written, read) => {
    expect(parseXml(`<a>${written}</a>`)?.text).toBe(read);
  });
});

test('sections, comments, declarations, name spaces and empty elements are read', () => {
  const root = parseXml('<?xml version="1.0"?><!-- <b> --><s:A x="1"><s:B><![CDATA[<&]]></s:B><C/><D x="2"/>e</s:A>');
  expect(root).toMatchObject({ name: 'A', text: 'e', children: [{ name: 'B' }, { name: 'C' }, { name: 'D' }] });
  expect(textOf(root, 'B')).toBe('<&');
});

test.each(['', 'text', '<a>', '<a></a></b>', '<a><![CDATA[', '<a><!--', '<a'])('%j is no document', (text) => {
  expect(parseXml(text)).toBeUndefined();
});

test('takes as long as the document is, also where nothing that is begun is ended', () => {
  // A reader that looks through the rest again and again would not be through with this today.
  for (const piece of ['<![CDATA[', '<!--', '<?', '<a ', '<']) {
    expect(parseXml(piece.repeat(1_000_000)), piece).toBeUndefined();
  }
});
