import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { type Answer, code, FOUND, listed, memoryStore, ok, refuse, SLICE, sends, setUp } from '../testing/setting.ts';
import { detours } from './detours.ts';
import { initialState } from './state.ts';
import { create, discard, fail, list, succeed } from './steps.ts';
import { transition } from './transition.ts';
import { type Plain, whenTaken } from './when-taken.ts';

const [INIT, LIST, FINISH] = ['upload_slice_init', 'upload_slice_list', 'upload_slice_finish'];
const BASE = 'http://cos.test/files/v2/10055004/demobucket/';
const lost = new CosSliceError('network', 'lost', { remedy: 'backoff' });
const PLAIN: Plain = {
  transition: (state, event) => transition(state, event, detours),
  list,
  create,
  discard,
  succeed,
  fail,
};

/** A server that has objects at these paths, and makes more of them where none is. */
function objectsAt(...paths: readonly string[]): { objects: Set<string>; answer: Answer } {
  const objects = new Set(paths);
  const answer: Answer = ({ url, fields }) => {
    const path = decodeURIComponent(url.slice(BASE.length));
    const isThere = objects.has(path);
    if (fields.op === 'upload_slice_list') return isThere ? ok({ ...FOUND, filesize: 7 }) : undefined;
    if (fields.op === 'upload_slice_data') return undefined;
    if (isThere) return refuse(-177, 409);
    if (fields.op !== 'upload_slice_init') objects.add(path);
    return undefined;
  };
  return { objects, answer };
}

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => (index === 0 ? 'dir/name.bin' : `dir/name (${index}).bin`));

describe("overwrite: 'skip'", () => {
  test.each([
    ['slices', 10 * SLICE],
    ['one request', SLICE],
  ])('sends nothing where an object is, and tells of that one: %s', async (_kind, size) => {
    const { start, transport, clock } = setUp({ size, answer: objectsAt('dir/name.bin').answer });
    const upload = start({ overwrite: 'skip' });
    const result = await clock.runUntil(upload.done);
    expect(result).toMatchObject({ skipped: true, instant: false, sentBytes: 0, path: 'dir/name.bin' });
    expect(result).toMatchObject({ accessUrl: FOUND.access_url });
    expect(upload.state).toMatchObject({ phase: 'done', progress: { fraction: 1 } });
    expect(transport.transcript).toEqual([LIST]);
  });

  test('hashes nothing before it has looked', async () => {
    let hashed = 0;
    const uploadParts = async (): Promise<never> => {
      hashed += 1;
      throw lost;
    };
    const { start, clock } = setUp({ answer: objectsAt('dir/name.bin').answer, hasher: { uploadParts } });
    expect(await clock.runUntil(start({ overwrite: 'skip', integrity: 'sha1' }).done)).toMatchObject({ skipped: true });
    expect(hashed).toBe(0);
  });

  test.each([
    ['slices', 10 * SLICE, [LIST, INIT]],
    ['one request', SLICE, [LIST, 'upload']],
  ])('uploads where nothing is: %s', async (_kind, size, expected) => {
    const { start, transport, clock } = setUp({ size, answer: objectsAt().answer });
    expect(await clock.runUntil(start({ overwrite: 'skip' }).done)).toMatchObject({ skipped: false });
    expect(transport.transcript.slice(0, 2)).toEqual(expected);
    expect(transport.requests.find(({ fields }) => 'insertOnly' in fields)?.fields.insertOnly).toBe('1');
  });

  test('ends the same way when an object comes there meanwhile', async () => {
    const { objects, answer } = objectsAt();
    const { start, clock } = setUp({
      answer: (request, index) => {
        if (request.fields.op === FINISH) objects.add('dir/name.bin');
        return answer(request, index);
      },
    });
    expect(await clock.runUntil(start({ overwrite: 'skip' }).done)).toMatchObject({ skipped: true });
  });

  test('does not take a directory for it', async () => {
    const { start, clock } = setUp({ answer: ({ fields }) => (fields.op === INIT ? refuse(-178, 409) : undefined) });
    expect(await clock.runUntil(code(start({ overwrite: 'skip' }).done))).toBe('exists');
  });

  test('goes on with what an earlier run has begun', async () => {
    const resume = memoryStore();
    let broken = true;
    const { start, clock, transport } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_data' && Number(fields.offset) > 4 * SLICE && broken) return refuse(-5999, 400);
        if (fields.op === LIST) return broken ? undefined : listed([0, 1, 2]);
        return undefined;
      },
      options: { resume, overwrite: 'skip' },
    });
    expect(await clock.runUntil(code(start().done))).toBe('bad-request');
    broken = false;
    expect(await clock.runUntil(start().done)).toMatchObject({ skipped: false, resumedBytes: 3 * SLICE });
    expect(transport.transcript.filter((line) => line === INIT)).toHaveLength(1);
  });
});

describe("overwrite: 'rename'", () => {
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 100])('with %i names taken, the next one is used', async (count) => {
    for (const size of [SLICE, 10 * SLICE]) {
      const { start, clock, transport, claims } = setUp({ size, answer: objectsAt(...names(count)).answer });
      const { path, skipped } = await clock.runUntil(start({ overwrite: 'rename' }).done);
      expect({ path, skipped }).toEqual({ path: names(count + 1).at(-1), skipped: false });
      // Many names are not tried one by one, and every request is signed for the path that it is about.
      expect(transport.transcript.filter((line) => line === LIST).length).toBeLessThan(2 * Math.log2(count + 2) + 2);
      expect(claims.map((claim) => claim.path)).toContain(path);
      expect(decodeURIComponent(transport.requests.at(-1)?.url ?? '')).toBe(BASE + path);
    }
  });

  test('the server decides between two that want the same name', async () => {
    const { answer, objects } = objectsAt('dir/name.bin');
    const { start, clock } = setUp({ answer });
    const both = [start({ overwrite: 'rename' }), start({ overwrite: 'rename' })];
    const paths = await clock.runUntil(Promise.all(both.map(async (one) => (await one.done).path)));
    expect(new Set(paths)).toEqual(new Set(['dir/name (1).bin', 'dir/name (2).bin']));
    expect(objects.size).toBe(3);
  });

  test('an upload that is under way has its name', async () => {
    const answer: Answer = ({ url, fields }) =>
      fields.op === INIT && url.endsWith('name.bin') ? refuse(-4020, 409) : undefined;
    const { start, clock } = setUp({ answer });
    expect((await clock.runUntil(start({ overwrite: 'rename' }).done)).path).toBe('dir/name (1).bin');
  });

  test('another run goes on under the name that was taken, even when its own has become free', async () => {
    const resume = memoryStore();
    const { answer, objects } = objectsAt(...names(3));
    let broken = true;
    const { start, clock, transport } = setUp({
      answer: (request, index) => {
        const { op, offset } = request.fields;
        if (op === 'upload_slice_data' && Number(offset) > 4 * SLICE && broken) return refuse(-5999, 400);
        if (op === LIST && !broken) return listed([0, 1, 2]);
        return answer(request, index);
      },
      options: { resume, overwrite: 'rename' },
    });
    expect(await clock.runUntil(code(start().done))).toBe('bad-request');
    broken = false;
    objects.delete('dir/name.bin');
    const before = transport.transcript.length;
    const result = await clock.runUntil(start().done);
    expect(result).toMatchObject({ path: 'dir/name (3).bin', resumedBytes: 3 * SLICE });
    expect(sends(transport.transcript.slice(before))).toHaveLength(7);
    expect(resume.records.size).toBe(0);
  });

  test('other content that goes to the same path is remembered by itself', async () => {
    const resume = memoryStore();
    const { answer } = objectsAt();
    const stops: Answer = (request, index) =>
      request.fields.op === FINISH ? refuse(-5999, 400) : answer(request, index);
    for (const identity of ['one', 'other']) {
      const { start, clock } = setUp({ answer: stops, source: { identity: async () => identity } });
      await clock.runUntil(code(start({ resume, overwrite: 'rename' }).done));
    }
    expect(resume.records.size).toBe(2);
  });

  test('an object of our own whose answer was lost is not uploaded again under another name', async () => {
    const { answer, objects } = objectsAt();
    let losses = 0;
    const { start, clock } = setUp({
      size: SLICE,
      answer: (request, index) => {
        const reply = answer(request, index);
        const { op, sha } = request.fields;
        if (op === LIST && objects.size > 0) return ok({ ...FOUND, filesize: SLICE, sha: 'sha1-0' });
        if (op !== 'upload' || losses > 0) return reply;
        losses += 1;
        expect(sha).toBe('sha1-0');
        return lost;
      },
    });
    const { path } = await clock.runUntil(start({ overwrite: 'rename', integrity: 'sha1' }).done);
    expect({ path, objects: [...objects] }).toEqual({ path: 'dir/name.bin', objects: ['dir/name.bin'] });
  });

  test('gives up where every name is refused, as below a file', async () => {
    const { start, clock, transport } = setUp({
      size: SLICE,
      answer: ({ fields }) => (fields.op === 'upload' ? refuse(-178, 409) : undefined),
    });
    expect(await clock.runUntil(code(start({ overwrite: 'rename' }).done))).toBe('exists');
    expect(transport.transcript.length).toBeLessThan(500);
  });
});

test.each([
  ['a.txt', 'a (2).txt'],
  ['a', 'a (2)'],
  ['dir.d/a', 'dir.d/a (2)'],
  ['dir/.profile', 'dir/.profile (2)'],
  ['.profile', '.profile (2)'],
  ['x.tar.gz', 'x (2).tar.gz'],
  ['x.min.js', 'x.min (2).js'],
  ['照片.jpg', '照片 (2).jpg'],
  ['end.', 'end. (2)'],
])('%s becomes %s', (path, expected) => {
  const job = {} as Parameters<typeof initialState>[0];
  const state = { ...initialState(job), name: 2 } as ReturnType<typeof initialState>;
  expect(whenTaken.pathOf(path, state)).toBe(expected);
  expect(whenTaken.pathOf(path, initialState(job))).toBe(path);
});

test('what is over stays over', () => {
  const state = initialState({ overwrite: 'rename' } as Parameters<typeof initialState>[0]);
  const over = whenTaken.transition(PLAIN, state, { type: 'cancelled', reason: 'enough' });
  expect(whenTaken.transition(PLAIN, over, { type: 'resumed' })).toBe(over);
});
