import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readVectors, type Sha1Vector } from '../testing/captures.ts';
import { patternBytes } from '../testing/content.ts';
import { temporaryDir } from '../testing/server.ts';
import { planChain } from './chain-plan.ts';
import { createChecker, createChecksHere } from './checker.ts';
import { createUploadPartsReader, type UploadParts } from './upload-parts.ts';

const vectors = await readVectors();

function readParts(vector: Pick<Sha1Vector, 'parts'>): UploadParts {
  const reader = createUploadPartsReader();
  reader.write(
    Buffer.from(JSON.stringify(vector.parts.map(({ offset, datalen, datasha }) => ({ offset, datalen, datasha })))),
  );
  return reader.end() as UploadParts;
}

async function openFile(path: string) {
  const file = await open(path, 'r+');
  return { fd: file.fd, close: () => file.close() };
}

const checker = createChecker();
const here = createChecksHere();
afterAll(() => checker.close());

describe.each(vectors)('$size bytes in slices of $slice_size', (vector) => {
  const bytes = patternBytes(0, vector.size);

  test.each([vector.slice_size, 65536, 1048576, 1572864, 3145728])(
    'is checked slice by slice in steps of %i',
    async (slice) => {
      const parts = readParts(vector);
      const file = { sizeBytes: vector.size, sha: vector.sha1, checkpoints: parts.checkpoints as never };
      const path = join(await temporaryDir(), 'file');
      await writeFile(path, bytes);
      const { fd, close } = await openFile(path);
      for (let start = 0; start < vector.size; start += slice) {
        const end = Math.min(start + slice, vector.size);
        const chain = planChain(file, start, end);
        const matches = async (md5?: string): Promise<boolean> => {
          const range = { fd, startBytes: start, endBytes: end };
          const result = await checker.matches(range, { chain, md5 });
          // Runtimes whose threads do not share files check on the thread itself.
          expect(await here.matches(range, { chain, md5 })).toBe(result);
          return result;
        };
        if (slice === vector.slice_size) expect(chain?.coversSlice).toBe(true);
        if (!chain) continue;
        expect(await matches()).toBe(true);
        if (!chain.coversSlice) continue;
        const content = bytes.subarray(start, end);
        expect(await matches(createHash('md5').update(content).digest('hex'))).toBe(true);
        expect(await matches('0'.repeat(32))).toBe(false);
        const at = start + (content.length >> 1);
        writeSync(fd, Buffer.of((bytes[at] as number) ^ 1), 0, 1, at);
        expect(await matches()).toBe(false);
        writeSync(fd, bytes, at, 1, at);
      }
      await close();
    },
  );
});

describe.each([
  ['in threads', checker],
  ['on this thread', here],
])('a checker %s', (_, checker) => {
  test('fails when the file cannot be read, and works on', async () => {
    const path = join(await temporaryDir(), 'file');
    await writeFile(path, 'abc');
    const { fd, close } = await openFile(path);
    const md5 = createHash('md5').update('abc').digest('hex');
    const matches = (endBytes: number) => checker.matches({ fd, startBytes: 0, endBytes }, { chain: undefined, md5 });
    await expect(matches(4)).rejects.toThrow('shorter');
    expect(await matches(3)).toBe(true);
    await close();
    await expect(matches(3)).rejects.toThrow('EBADF');
  });
});

describe('uploadparts', () => {
  const sha = 'ab'.repeat(20);
  const read = (...pieces: string[]) => {
    const reader = createUploadPartsReader();
    for (const piece of pieces) reader.write(Buffer.from(piece));
    return reader.end();
  };

  test('is read in any pieces, with spaces and a trailing newline', () => {
    const text = ` [ {"offset": 0, "datalen": 64, "datasha": "${sha}"} , {"offset":64,"datalen":9,"datasha":"${sha}"} ]\n`;
    for (let at = 0; at < text.length; at++) {
      expect(read(text.slice(0, at), text.slice(at))).toMatchObject({
        sizeBytes: 73,
        sha,
        checkpoints: { stepBytes: 64 },
      });
    }
  });

  test('may be empty', () => {
    expect(read('')).toBeUndefined();
    expect(read(' [ ] ')).toBeUndefined();
  });

  test('refuses what is no JSON with -5965 and what is no tiling with -5999', () => {
    const part = (offset: number, datalen: number) => JSON.stringify({ offset, datalen, datasha: sha });
    for (const text of [
      '{',
      '[',
      `[${part(0, 1)}`,
      `[${part(0, 1)}]]`,
      `[${part(0, 1)}${part(1, 1)}]`,
      'x'.repeat(5000),
    ]) {
      expect(() => read(text), text).toThrow(expect.objectContaining({ code: -5965 }));
    }
    for (const text of [
      `[${part(1, 1)}]`,
      `[${part(0, 1)},${part(2, 1)}]`,
      '[{"offset":0,"datalen":1,"datasha":"x"}]',
      '[{}]',
    ]) {
      expect(() => read(text), text).toThrow(expect.objectContaining({ code: -5999 }));
    }
  });

  test('gives no checkpoints when its steps are uneven or cut blocks', () => {
    const uneven = readParts({
      parts: [64, 128, 64].map((datalen, i) => ({
        offset: [0, 64, 192][i] as number,
        datalen,
        datasha: sha,
        kind: 'state',
      })),
    });
    expect(uneven).toMatchObject({ sizeBytes: 256, checkpoints: undefined });
    const odd = readParts({ parts: [0, 100].map((offset) => ({ offset, datalen: 100, datasha: sha, kind: 'state' })) });
    expect(odd.checkpoints).toBeUndefined();
  });
});
