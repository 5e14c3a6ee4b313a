import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formBody } from '../testing/client.ts';
import { boundaryOf, createMultipartParser, MAX_PARTS } from './multipart.ts';

async function parse(body: Buffer, cuts: number[], boundary = 'b'): Promise<[string, string][]> {
  const parts: [string, string][] = [];
  const parser = createMultipartParser(boundary, (name) => {
    const chunks: Buffer[] = [];
    return {
      write: (bytes) => void chunks.push(Buffer.from(bytes)),
      end: () => void parts.push([name, Buffer.concat(chunks).toString('latin1')]),
    };
  });
  let from = 0;
  for (const cut of [...cuts.map((at) => at % (body.length + 1)).sort((a, b) => a - b), body.length]) {
    await parser.write(body.subarray(from, cut));
    from = cut;
  }
  await parser.end();
  return parts;
}

/** Bytes that keep looking like a boundary. */
const nasty = fc
  .array(fc.constantFrom('\r', '\n', '-', '--', 'b', '\r\n', '\r\n--', '\r\n--bb', '\r\n--bx', 'x', '\0', '\xff'), {
    maxLength: 30,
  })
  .map((pieces) => pieces.join(''))
  .filter((text) => !/\r\n--b(--|[ \t]*\r\n)/.test(`${text}\r\n`));

describe('multipart parser', () => {
  test('gives back every part whatever it holds and however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('op', 'filecontent', 'x'), nasty), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (parts, cuts) => {
          const body = formBody(
            parts.map(([name, text]): [string, Buffer] => [name, Buffer.from(text, 'latin1')]),
            'b',
          );
          expect(await parse(body, cuts)).toEqual(parts);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('does without a closing boundary, wherever the body stops', async () => {
    const whole = formBody({ op: 'upload', filecontent: 'content' }, 'b').toString('latin1');
    const unclosed = whole.slice(0, whole.lastIndexOf('\r\n--b--'));
    for (const end of ['', '\r\n--b', '\r\n--b-', '\r\n--b--', '\r\n--b\r\n']) {
      expect(await parse(Buffer.from(unclosed + end), [unclosed.length])).toEqual([
        ['op', 'upload'],
        ['filecontent', 'content'],
      ]);
    }
  });

  test('takes what only looked like a closing boundary for content, also at the end', async () => {
    const unclosed = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ncontent';
    for (const end of ['\r', '\r\n', '\r\n-', '\r\n--']) {
      for (const cuts of [[], [unclosed.length], [unclosed.length + 1]]) {
        expect(await parse(Buffer.from(unclosed + end), cuts)).toEqual([['x', `content${end}`]]);
      }
    }
  });

  test('takes no more than 64 spaces for padding', async () => {
    const part = '\r\nContent-Disposition: form-data; name="x"\r\n\r\n';
    const spaces = ' '.repeat(64);
    expect(await parse(Buffer.from(`--b${part}1\r\n--b${spaces}${part}2\r\n--b--`), [])).toEqual([
      ['x', '1'],
      ['x', '2'],
    ]);
    const content = `1\r\n--b${spaces} ${part}2`;
    expect(await parse(Buffer.from(`--b${part}${content}\r\n--b--`), [])).toEqual([['x', content]]);
  });

  test('takes boundaries of any bytes', async () => {
    const body = Buffer.from('--ü\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--ü--', 'latin1');
    expect(await parse(body, [], 'ü')).toEqual([['x', '1']]);
  });

  test('takes as many parts as it says', async () => {
    const part = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n';
    expect(await parse(Buffer.from(`${part.repeat(MAX_PARTS)}--b--`), [])).toHaveLength(MAX_PARTS);
  });

  test('refuses a header without an end as it comes', () => {
    const parser = createMultipartParser('b', () => ({ write: () => undefined }));
    void parser.write(Buffer.from('--b\r\n'));
    const writeOn = (): void => {
      for (let kib = 0; kib < 32; kib += 1) void parser.write(Buffer.alloc(1024, 'x'));
    };
    expect(writeOn).toThrow(expect.objectContaining({ code: -5999 }));
  });

  test('skips a preamble and an epilogue, and padding after a boundary', async () => {
    const body = 'hello\r\n--b  \r\nContent-Disposition: form-data; name=op\r\n\r\nlist\r\n--b--\r\ngoodbye\r\n--b\r\n';
    expect(await parse(Buffer.from(body), [3, 9])).toEqual([['op', 'list']]);
  });

  test('takes the name, not a filename that looks like one', async () => {
    const body =
      '--b\r\ncontent-disposition: form-data; filename="x; name=\\"evil\\".bin"; name="good"\r\nX: y\r\n\r\n1\r\n--b--';
    expect(await parse(Buffer.from(body), [])).toEqual([['good', '1']]);
  });

  test('refuses what is no form', async () => {
    const header = 'Content-Disposition: form-data; name="x"';
    for (const body of [
      '',
      'nothing',
      '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--',
      `--b\r\n${header}`,
      `--b\r\n${header}\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--`,
      `--b\r\n${'x'.repeat(20_000)}\r\n\r\n\r\n--b--`,
      `--b\r\n${header}\r\n\r\n1\r\n`.repeat(65),
    ]) {
      await expect(parse(Buffer.from(body), [])).rejects.toMatchObject({ code: -5999 });
    }
  });

  test('reads boundaries as headers spell them', () => {
    expect(boundaryOf('multipart/form-data; boundary=--abc')).toBe('--abc');
    expect(boundaryOf('multipart/form-data; charset=utf-8; boundary="a b;c"; x=y')).toBe('a b;c');
    for (const spelling of [';boundary=b', ';  boundary=b', '; boundary =b', '; Boundary= b']) {
      expect(boundaryOf(`multipart/form-data${spelling}`)).toBe('b');
    }
    expect(boundaryOf(`multipart/form-data; boundary=${'x'.repeat(200)}`)).toHaveLength(200);
    expect(() => boundaryOf(`multipart/form-data; boundary=${'x'.repeat(201)}`)).toThrow();
    expect(() => boundaryOf('multipart/form-data')).toThrow(expect.objectContaining({ code: -5999 }));
  });

  test('passes content full of look-alikes on in few pieces', async () => {
    for (const lookalike of ['\r\n--bb', '\r\n--b\n', '\r', '\r\n-', '\r\n--b x']) {
      const body = formBody({ filecontent: lookalike.repeat(20_000) }, 'b');
      let pieces = 0;
      let bytes = 0;
      const parser = createMultipartParser('b', () => ({
        write: (piece) => {
          pieces++;
          bytes += piece.length;
          return undefined;
        },
      }));
      for (let at = 0; at < body.length; at += 65_536) await parser.write(body.subarray(at, at + 65_536));
      await parser.end();
      expect(bytes).toBe(20_000 * lookalike.length);
      expect(pieces).toBeLessThan(10);
    }
  });
});

test.each([
  'Content-Disposition: form-data; name="op"',
  'content-disposition: FORM-DATA; NAME="op"',
  'Content-Disposition:form-data;name="op"',
  'Content-Disposition:  form-data ;  name = op',
  'Content-Disposition: form-data; name=op; filename="x; name=other"',
  'Content-Disposition: form-data; filename="\\"; name=other"; name="o\\p"',
  'Content-Disposition: form-data; filename*=UTF-8\'\'name; name="op"',
  'Content-Type: text/plain\r\nContent-Disposition: form-data; name="op"',
  ...['binary', '8bit', '7BIT'].map(
    (encoding) => `Content-Disposition: form-data; name="op"\r\nContent-Transfer-Encoding: ${encoding}`,
  ),
])('a part is named as its header says: %s', async (header) => {
  expect(await parse(Buffer.from(`--b\r\n${header}\r\n\r\nx\r\n--b--`), [])).toEqual([['op', 'x']]);
});
