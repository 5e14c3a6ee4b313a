import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { childOf, childrenOf, readXml, textOf, type XmlElement } from './reader.ts';
import { xmlElement } from './writer.ts';

test('reads what servers send: declarations, name spaces, entities, CDATA, comments, empty elements', () => {
  const root = readXml(`\uFEFF<?xml version="1.0" encoding="UTF-8"?>
    <?made by="a > b"?><!-- made <by> hand -->
    <s3:ListPartsResult xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/">
      <Key>a&#x20;b &amp; c&#33; &unknown;</Key><Empty/><Also></Also>
      <Part ><PartNumber>1</PartNumber><ETag>&quot;abc&quot;</ETag></Part >
      <Part><PartNumber>2</PartNumber><ETag><![CDATA["<&>"]]></ETag></Part>
    </s3:ListPartsResult>  \n`);
  expect(root?.name).toBe('ListPartsResult');
  expect(textOf(root, 'Key')).toBe('a b & c! &unknown;');
  expect([textOf(root, 'Empty'), textOf(root, 'Also'), textOf(root, 'Missing')]).toEqual(['', '', '']);
  expect(childrenOf(root, 'Part').map((part) => textOf(part, 'ETag'))).toEqual(['"abc"', '"<&>"']);
  expect(childOf(root, 'Part')?.children).toHaveLength(2);
});

test.each([
  '',
  'text',
  '<a>',
  '</a>',
  '<a></b>',
  '<a/><b/>',
  '<a/>text',
  'text<a/>',
  '<a><b></a></b>',
  '<a',
  '<>',
  '<!-- <a/>',
  '<![CDATA[a]]>',
  '<![CDATA[a]]><a/>',
  '<!DOCTYPE a><a/>',
  '<></>',
  '<a:/>',
  '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
  '<a>'.repeat(100) + '</a>'.repeat(100),
])('does not read %j', (text) => {
  expect(readXml(text)).toBeUndefined();
});

describe('generated documents', () => {
  const name = fc.stringMatching(/^[A-Za-z]\w{0,8}$/);
  const { tree } = fc.letrec<{ tree: XmlElement }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', maxDepth: 8 },
      fc.record({ name, text: fc.string({ unit: 'binary' }), children: fc.constant([]) }),
      fc.record({ name, text: fc.constant(''), children: fc.array(tie('tree'), { maxLength: 5 }) }),
    ),
  }));
  const write = ({ name, text, children }: XmlElement): string =>
    xmlElement(name, children.length > 0 ? children.map(write) : text);

  test('are read as they were written', () => {
    fc.assert(
      fc.property(tree, (one) => {
        expect(readXml(write(one))).toEqual(one);
      }),
    );
  });

  test('that are cut, spoilt or made of noise are read or refused, and nothing else', () => {
    const mark = fc.constantFrom('<', '>', '/', '&', '<!--', '-->', '<![CDATA[', ']]>', '<?', '?>', '&#x110000;', '\0');
    const noise = fc.array(fc.oneof(mark, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 30 });
    const spoilt = fc.tuple(tree, fc.nat(), fc.nat(), noise).map(([one, from, length, inserted]) => {
      const text = write(one);
      const at = from % text.length;
      return text.slice(0, at) + inserted.join('') + text.slice(at + (length % 10));
    });
    fc.assert(
      fc.property(
        fc.oneof(
          spoilt,
          noise.map((parts) => parts.join('')),
        ),
        (text) => {
          const read = readXml(text);
          expect(read === undefined || typeof read.name === 'string').toBe(true);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
