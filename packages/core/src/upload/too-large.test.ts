import { describe, expect, test } from 'vitest';
import type { ByteRange } from '../ports.ts';
import type { ScriptedRequest } from '../testing/scripted-transport.ts';
import { type Answer, code, FOUND, listed, memoryStore, ok, record, refuse, setUp } from '../testing/setting.ts';

const [KIB, MIB] = [1024, 1024 * 1024];
const SMALL = 512 * KIB;

/** A server behind a proxy that takes bodies up to 1 MiB, with one session at a time. */
function behindProxy({ insists = 0, deletes = true }: { insists?: number; deletes?: boolean } = {}): {
  readonly answer: Answer;
  readonly opened: number[];
  readonly stored: number[];
} {
  const [opened, stored]: [number[], number[]] = [[], []];
  let session: string | undefined;
  const answer = ({ fields, content }: ScriptedRequest<ByteRange>) => {
    if ((content?.length ?? 0) > MIB - KIB) return { status: 413, text: '<html>413 Request Entity Too Large</html>' };
    switch (fields.op) {
      case 'upload_slice_init': {
        if (session) return refuse(-4020, 409);
        session = `s${opened.push(Number(fields.slice_size))}`;
        return ok({ session, slice_size: insists || Number(fields.slice_size) });
      }
      case 'upload_slice_data':
        stored.push(content?.length ?? 0);
        return ok({ session, offset: Number(fields.offset) });
      case 'upload_slice_list':
        return session ? listed([], { session, slice_size: opened.at(-1), filesize: 8 * MIB }) : refuse(-197, 404);
      case 'delete':
        if (!deletes) return refuse(-97, 403);
        session = undefined;
        return ok({});
      default:
        return ok(FOUND);
    }
  };
  return { answer, opened, stored };
}

const total = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0);

describe('a proxy that takes no bodies of the slice size', () => {
  test.each([undefined, 'md5', 'sha1'] as const)(
    'is met with smaller slices in a new session, with integrity %s',
    async (integrity) => {
      const proxy = behindProxy();
      const hashed: number[] = [];
      const { start, clock } = setUp({
        size: 8 * MIB,
        answer: proxy.answer,
        hasher: {
          async uploadParts(_source, sliceSizeBytes) {
            hashed.push(sliceSizeBytes);
            return { sha: 'c'.repeat(40), parts: [] };
          },
        },
      });
      const fractions: number[] = [];
      const upload = start({ sliceSize: 2 * MIB, ...(integrity && { integrity }) });
      upload.subscribe(({ progress }) => fractions.push(progress.fraction));
      expect((await clock.runUntil(upload.done)).resumedBytes).toBe(0);
      expect(proxy.opened).toEqual([2 * MIB, SMALL]);
      expect([total(proxy.stored), Math.max(...proxy.stored)]).toEqual([8 * MIB, SMALL]);
      // The parts that init is told of are those of the session.
      expect(hashed).toEqual(integrity === 'sha1' ? [2 * MIB, SMALL] : []);
      expect(fractions.every((fraction, at) => at === 0 || fraction >= (fractions[at - 1] ?? 0))).toBe(true);
    },
  );

  test('a file that was to go in one request goes in slices instead', async () => {
    const proxy = behindProxy();
    const { start, clock } = setUp({ size: 3 * MIB, answer: proxy.answer });
    await clock.runUntil(start({ sliceSize: 2 * MIB, singleRequestMax: 4 * MIB }).done);
    expect([proxy.opened, total(proxy.stored)]).toEqual([[SMALL], 3 * MIB]);
  });

  test('a session of larger slices that an earlier run has left is given up for smaller ones', async () => {
    const resume = memoryStore();
    const proxy = behindProxy();
    const { start, clock } = setUp({
      size: 8 * MIB,
      answer: (request, index) =>
        index === 0 ? listed([], { slice_size: 2 * MIB, filesize: 8 * MIB }) : proxy.answer(request, index),
    });
    const key = 'http://cos.test/files/v2/10055004/demobucket/dir/name.bin';
    resume.records.set(key, record({ sizeBytes: 8 * MIB, sliceSizeBytes: 2 * MIB, savedAtMs: Date.now() }));
    await clock.runUntil(start({ sliceSize: SMALL, resume }).done);
    expect([proxy.opened, total(proxy.stored)]).toEqual([[SMALL], 8 * MIB]);
  });

  test('a server that insists on its slice size is not asked again', async () => {
    const proxy = behindProxy({ insists: 2 * MIB });
    const { start, clock, transport } = setUp({ size: 8 * MIB, answer: proxy.answer });
    const failure = await clock.runUntil(start({ sliceSize: 2 * MIB }).done.catch((error) => error));
    expect(failure).toMatchObject({
      code: 'bad-request',
      httpStatus: 413,
      message: expect.stringContaining('sliceSize'),
    });
    expect(proxy.opened).toHaveLength(2);
    expect(transport.requests.length).toBeLessThan(15);
  });

  test('where the session cannot be removed, it is the size that is told', async () => {
    const { start, clock } = setUp({ size: 8 * MIB, answer: behindProxy({ deletes: false }).answer });
    const failure = await clock.runUntil(start({ sliceSize: 2 * MIB }).done.catch((error) => error));
    expect(failure).toMatchObject({ httpStatus: 413, message: expect.stringContaining('sliceSize') });
  });

  test.each([
    ['slices that are small', { size: 8 * MIB, sliceSize: SMALL }, 'upload_slice_data'],
    [
      'a file in one slice that is small',
      { size: SMALL - KIB, sliceSize: MIB, singleRequestMax: 0 },
      'upload_slice_data',
    ],
    ['a file in one request that is small', { size: SMALL - KIB, sliceSize: MIB }, 'upload'],
  ])('%s gain nothing by smaller ones', async (_name, { size, ...options }, last) => {
    const { start, clock, transport } = setUp({
      size,
      answer: ({ fields }) => (/data|upload$/.test(fields.op ?? '') ? { status: 413, text: 'too large' } : undefined),
    });
    expect(await clock.runUntil(code(start(options).done))).toBe('bad-request');
    expect(transport.transcript.filter((line) => /delete|init/.test(line)).length).toBeLessThanOrEqual(1);
    expect(transport.transcript.at(-1)).toContain(last);
  });

  test('slices that are as small as they get are not made smaller', async () => {
    const { start, clock, transport } = setUp({
      size: 8 * MIB,
      answer: ({ fields }) => (fields.op === 'upload_slice_data' ? { status: 413, text: 'too large' } : undefined),
    });
    expect(await clock.runUntil(code(start({ sliceSize: 64 * KIB }).done))).toBe('bad-request');
    expect(transport.requests.filter(({ fields }) => fields.op === 'delete')).toHaveLength(0);
  });
});
