import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { Answer as Reply } from '../protocol/operations.ts';
import { type Answer, code, FOUND, listed, memoryStore, ok, refuse, SLICE, sends, setUp } from '../testing/setting.ts';
import { active, begun } from '../testing/states.ts';
import { detours } from './detours.ts';
import { type ActiveState, initialState, type Job, UNTRIED, type UploadEvent, type UploadState } from './state.ts';
import { create, discard, fail, initiate, list, recall, sendFrom, sendSingle, succeed } from './steps.ts';
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

describe('the machine', () => {
  const exists = new CosSliceError('exists', 'taken');
  const first = (more: Partial<Job> = {}): ActiveState => begun({ overwrite: 'rename', ...more });
  const failure = (state: ActiveState, error: CosSliceError): UploadState => {
    const slice = state.step === 'send' ? 0 : undefined;
    const event = { type: 'failed', run: state.run, slice, error, nowMs: 0, random: 0, online: true } as const;
    return whenTaken.transition(PLAIN, state, event);
  };
  const replied = (run: number, reply: Reply): UploadEvent => ({ type: 'replied', run, reply });

  test('what is over stays over', () => {
    const over = whenTaken.transition(PLAIN, first(), { type: 'cancelled', reason: 'enough' });
    expect(whenTaken.transition(PLAIN, over, { type: 'resumed' })).toBe(over);
    const failed = fail(first(), exists);
    expect(whenTaken.transition(PLAIN, failed, { type: 'resumed' })).toBe(failed);
  });

  test('an answer to an earlier question says nothing of the name that is looked for now', () => {
    const looking = active(list(first(), { for: 'name', taken: 0, error: exists }));
    expect(whenTaken.transition(PLAIN, looking, replied(looking.run - 1, { kind: 'absent' }))).toBe(looking);
    expect(whenTaken.transition(PLAIN, looking, replied(looking.run, { kind: 'absent' }))).not.toBe(looking);
  });

  test('the last name that is tried is the 16,384th', () => {
    const taken = (name: number): UploadState => {
      const looking = active(list({ ...first(), name }, { for: 'name', taken: name / 2, error: exists }));
      return whenTaken.transition(PLAIN, looking, replied(looking.run, { kind: 'present', location: LOCATION }));
    };
    expect(taken(8192)).toMatchObject({ step: 'list', name: 16_384 });
    expect(taken(16_384)).toMatchObject({ phase: 'failed', error: exists });
  });

  test('a session is removed when its name is found to be taken, and then another name is looked for', () => {
    const hides = { hidesSessions: true };
    const claim = active(list(first(hides), { for: 'claim', error: exists, session: 's', sliceSizeBytes: 64 }));
    const absent = replied(claim.run, { kind: 'absent' });
    const discarding = active(whenTaken.transition(PLAIN, claim, absent));
    expect(discarding).toMatchObject({ step: 'discard', session: 's', exact: true });
    const next = { step: 'list', name: 1, why: { for: 'name' } };
    const gone = replied(discarding.run, { kind: 'discarded' });
    expect(whenTaken.transition(PLAIN, discarding, gone)).toMatchObject(next);
    // One that may not be removed stays, and is in no way.
    expect(failure(discarding, new CosSliceError('unauthorized', 'no'))).toMatchObject(next);
    expect(whenTaken.transition(PLAIN, discarding, { type: 'cancelled', reason: 'enough' })).toMatchObject({
      phase: 'cancelled',
      reason: 'enough',
    });
    const sending = sendFrom(first(hides), 64, { id: 's', serial: false });
    expect(failure({ ...sending, active: [{ ...UNTRIED, index: 0 }] }, exists)).toMatchObject({
      step: 'discard',
      session: 's',
    });
    // Before there is a session, none is removed.
    const single = sendSingle(first({ ...hides, singleMaxBytes: 100 }));
    expect(failure({ ...single, active: [{ ...UNTRIED, index: 0 }] }, exists)).toMatchObject(next);
    expect(failure(active(initiate(first(hides))), exists)).toMatchObject(next);
    expect(failure(active(list(first(hides), { for: 'adopt' })), exists)).toMatchObject(next);
  });

  test('another upload in the way is no object that is to be left alone', () => {
    const conflict = new CosSliceError('conflict', 'another upload');
    const at = (overwrite: 'skip' | 'rename') => failure(active(initiate(first({ overwrite }))), conflict);
    expect(at('skip')).toMatchObject({ phase: 'failed', error: conflict });
    expect(at('rename')).toMatchObject({ step: 'list', name: 1 });
    const lost = new CosSliceError('session-lost', 'to another upload');
    expect(failure(active(initiate(first())), lost)).toMatchObject({ step: 'list', name: 1 });
  });

  test('hashing goes on from where an earlier run has left it, after a look', () => {
    const checkpoint = { hashedBytes: 64, data: 'half' };
    const recalling = active(recall(first({ overwrite: 'skip', integrity: 'sha1' })));
    const recalled = { type: 'recalled', run: recalling.run, checkpoint } as const;
    const looking = active(whenTaken.transition(PLAIN, recalling, recalled));
    expect(looking).toMatchObject({ step: 'list', why: { for: 'look' } });
    const absent = replied(looking.run, { kind: 'absent' });
    expect(whenTaken.transition(PLAIN, looking, absent)).toMatchObject({ step: 'hash', checkpoint });
  });
});

const LOCATION = { accessUrl: 'a', sourceUrl: 'b', url: 'c', resourcePath: 'd' };
