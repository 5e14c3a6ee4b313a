import { describe, expect, it } from 'vitest';
import { readVectors, type Sha1Vector } from '../testing/captures.ts';
import { patternBytes, sha1 } from '../testing/content.ts';
import { createChainCheck } from './chain-check.ts';
import { createSha1State } from './sha1-state.ts';
import { createUploadPartsReader, type UploadParts } from './upload-parts.ts';

const vectors = await readVectors();

function readParts(vector: Pick<Sha1Vector, 'parts'>): UploadParts {
  const reader = createUploadPartsReader();
  reader.write(
    Buffer.from(JSON.stringify(vector.parts.map(({ offset, datalen, datasha }) => ({ offset, datalen, datasha })))),
  );
  return reader.end() as UploadParts;
}

describe.each(vectors)('$size bytes in slices of $slice_size', (vector) => {
  const bytes = patternBytes(0, vector.size);

  it('has the recorded states and digest', async () => {
    const state = await createSha1State();
    state.start();
    for (const part of vector.parts) {
      state.update(bytes.subarray(part.offset, part.offset + part.datalen));
      const actual = part.kind === 'state' ? state.state() : state.digest(vector.size);
      expect(Buffer.from(actual).toString('hex')).toBe(part.datasha);
    }
    expect(sha1(bytes)).toBe(vector.sha1);
    state.release();
  });

  it.each([vector.slice_size, 65536, 1048576, 1572864, 3145728])(
    'is checked slice by slice in steps of %i',
    async (slice) => {
      const parts = readParts(vector);
      const file = { sizeBytes: vector.size, sha: vector.sha1, checkpoints: parts.checkpoints as never };
      for (let start = 0; start < vector.size; start += slice) {
        const end = Math.min(start + slice, vector.size);
        const run = async (content: Buffer) => {
          const check = await createChainCheck(file, start, end);
          for (let at = 0; at < content.length; at += 60_001) check?.update(content.subarray(at, at + 60_001));
          check?.release();
          return check;
        };
        const good = await run(bytes.subarray(start, end));
        if (slice === vector.slice_size) expect(good?.coversSlice).toBe(true);
        if (!good) continue;
        expect(good.matches).toBe(true);
        if (!good.coversSlice) continue;
        const damaged = Buffer.from(bytes.subarray(start, end));
        damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1;
        expect((await run(damaged))?.matches).toBe(false);
      }
    },
  );
});

describe('uploadparts', () => {
  const sha = 'ab'.repeat(20);
  const read = (...pieces: string[]) => {
    const reader = createUploadPartsReader();
    for (const piece of pieces) reader.write(Buffer.from(piece));
    return reader.end();
  };

  it('is read in any pieces, with spaces and a trailing newline', () => {
    const text = ` [ {"offset": 0, "datalen": 64, "datasha": "${sha}"} , {"offset":64,"datalen":9,"datasha":"${sha}"} ]\n`;
    for (let at = 0; at < text.length; at++) {
      expect(read(text.slice(0, at), text.slice(at))).toMatchObject({
        sizeBytes: 73,
        sha,
        checkpoints: { stepBytes: 64 },
      });
    }
  });

  it('may be empty', () => {
    expect(read('')).toBeUndefined();
    expect(read(' [ ] ')).toBeUndefined();
  });

  it('refuses what is no JSON with -5965 and what is no tiling with -5999', () => {
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

  it('gives no checkpoints when its steps are uneven or cut blocks', () => {
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
