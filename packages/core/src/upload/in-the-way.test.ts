import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { ScriptedReply } from '../testing/scripted-transport.ts';
import {
  type Answer,
  code,
  FOUND,
  KEY,
  listed,
  memoryStore,
  ok,
  record,
  refuse,
  SHA,
  SLICE,
  sends,
  setUp,
} from '../testing/setting.ts';

describe('an upload in the way', () => {
  /** A server that has an unfinished upload of other content, until it is discarded. */
  const occupied = ({ exact = false, stays = false } = {}) => {
    const server = { session: 'theirs' as string | undefined, object: false, discards: [] as (string | undefined)[] };
    const found = { filesize: 7, slice_size: SLICE, listparts: [], ...(exact && { session_delete: 1 }) };
    const answer: Answer = ({ fields }) => {
      switch (fields.op) {
        case 'upload_slice_init':
          if (server.object) return refuse(-177, 409);
          return server.session ? refuse(-4020, 409) : undefined;
        case 'upload':
          return server.session ? refuse(-4020, 409) : undefined;
        case 'upload_slice_list':
          if (server.object) return ok({ ...FOUND, filesize: 7 });
          return server.session ? ok({ ...found, session: server.session }) : undefined;
        case 'delete':
          server.discards.push(fields.session);
          if (exact && fields.session !== server.session) return refuse(-197, 404);
          if (!stays) server.session = undefined;
          if (!exact) server.object = false;
          return ok({});
        default:
          return undefined;
      }
    };
    return { server, answer };
  };
  const [INIT, LIST, DELETE] = ['upload_slice_init', 'upload_slice_list', 'delete'];
  const lost = new CosSliceError('network', 'lost', { remedy: 'backoff' });

  test.each([
    [
      'looks again right before where the server would delete whatever is there',
      false,
      [INIT, LIST, LIST, DELETE, INIT],
    ],
    ['names the session where the server can delete that one', true, [INIT, LIST, DELETE, INIT]],
  ])('is restarted over when asked to, with a signature for one use: %s', async (_name, exact, expected) => {
    const { server, answer } = occupied({ exact });
    const { start, transport, clock, claims } = setUp({ answer });
    const upload = start({ onConflict: 'restart' });
    const phases: string[] = [];
    upload.subscribe(({ phase }) => phases.push(phase));
    await clock.runUntil(upload.done);
    expect(phases.filter((phase, at) => phase !== phases[at - 1])).toEqual(['opening', 'sending', 'finishing', 'done']);
    expect(transport.transcript.slice(0, expected.length)).toEqual(expected);
    expect(claims.map((claim) => claim.effect)).toEqual(['multi', 'once']);
    expect(server.discards).toEqual(['theirs']);
  });

  test('is in the way of an upload of one request, too', async () => {
    const { answer } = occupied();
    const { start, transport, clock } = setUp({ size: SLICE, answer });
    await clock.runUntil(start({ onConflict: 'restart' }).done);
    expect(transport.transcript).toEqual(['upload', LIST, LIST, DELETE, 'upload']);
  });

  test.each([
    ['and its object is not deleted', false, { object: true, session: undefined }, 'exists'],
    [
      'and its object is not deleted by a server that deletes by session',
      true,
      { object: true, session: undefined },
      'exists',
    ],
    ['for another one, which is not discarded', false, { object: false, session: 'third' }, 'conflict'],
    ['for another one, which is not discarded by session', true, { object: false, session: 'third' }, 'conflict'],
  ])('may be gone by the time the discard is signed: %s', async (_name, exact, change, expected) => {
    const { server, answer } = occupied({ exact });
    const { start, clock } = setUp({
      answer,
      options: {
        signer: ({ effect }) => {
          if (effect === 'once') Object.assign(server, change);
          return 'c2lnbmF0dXJl';
        },
      },
    });
    expect(await clock.runUntil(code(start({ onConflict: 'restart' }).done))).toBe(expected);
    expect(server).toMatchObject(change);
    expect(server.discards).toEqual(exact ? ['theirs'] : []);
  });

  test('that has finished when the list comes is an object in the way', async () => {
    const { server, answer } = occupied();
    const { start, transport, clock } = setUp({
      answer: (request, index) => {
        if (request.fields.op === 'upload_slice_list') Object.assign(server, { object: true, session: undefined });
        return answer(request, index);
      },
    });
    expect(await clock.runUntil(code(start({ onConflict: 'restart' }).done))).toBe('exists');
    expect(transport.transcript).toEqual([INIT, LIST, INIT]);
  });

  test('is discarded once more when the answer to the discard is lost', async () => {
    const { server, answer } = occupied({ exact: true });
    let losses = 0;
    const { start, clock } = setUp({
      answer: (request, index) => {
        const reply = answer(request, index);
        if (request.fields.op !== 'delete' || losses > 0) return reply;
        losses += 1;
        return lost;
      },
    });
    await clock.runUntil(start({ onConflict: 'restart' }).done);
    expect(server.discards).toEqual(['theirs', 'theirs']);
  });

  test('that comes back after the restart is final', async () => {
    const { answer } = occupied({ stays: true });
    const { start, transport, clock } = setUp({ answer });
    expect(await clock.runUntil(code(start({ onConflict: 'restart' }).done))).toBe('conflict');
    expect(transport.transcript).toEqual([INIT, LIST, LIST, DELETE, INIT]);
  });

  test('that the server does not list is not restarted over', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === INIT ? refuse(-4020, 409) : undefined),
    });
    expect(await clock.runUntil(code(start({ onConflict: 'restart' }).done))).toBe('conflict');
    expect(transport.transcript).toEqual([INIT, LIST, INIT]);
  });
});

describe('what a lost answer leaves behind', () => {
  const lost = new CosSliceError('network', 'lost', { remedy: 'backoff' });

  const CONTENT_SHA = 'sha1-0';
  test.each([
    ['ours by its SHA-1', 'md5', { sha: CONTENT_SHA }, undefined, 3],
    ["somebody else's by its SHA-1", 'md5', { sha: SHA }, 'exists', 3],
    ['of nobody knows whose content', 'md5', {}, 'exists', 3],
    ['ours by its SHA-1, hashed for that', 'none', { sha: SHA }, undefined, 4],
    ["somebody else's by its SHA-1, hashed for that", 'none', { sha: CONTENT_SHA }, 'exists', 4],
    ['of nobody knows whose content, when ours is not hashed', 'none', {}, 'exists', 3],
    ['of another size', 'md5', { sha: CONTENT_SHA, filesize: SLICE + 1 }, 'exists', 3],
  ] as const)('an object at the path after a lost answer is %s', async (_name, integrity, said, expected, requests) => {
    const { start, transport, clock } = setUp({
      size: SLICE,
      answer: ({ fields }, index) => {
        if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: SLICE, ...said });
        return index === 0 ? lost : refuse(-177, 409);
      },
    });
    expect(await clock.runUntil(code(start({ integrity }).done))).toBe(expected);
    const lists = ['upload_slice_list', 'upload_slice_list'];
    expect(transport.transcript).toEqual(['upload', 'upload', ...lists].slice(0, requests));
  });

  test('an object that was there before is nobody else but in the way', async () => {
    const { start, transport, clock } = setUp({ size: SLICE, answer: () => refuse(-177, 409) });
    expect(await clock.runUntil(code(start().done))).toBe('exists');
    expect(transport.transcript).toEqual(['upload']);
  });

  test('an object in the way that the server then does not list stays in the way', async () => {
    const { start, clock } = setUp({
      size: SLICE,
      answer: ({ fields }, index) => {
        if (fields.op === 'upload_slice_list') return refuse(-197, 404);
        return index === 0 ? lost : refuse(-177, 409);
      },
    });
    expect(await clock.runUntil(code(start().done))).toBe('exists');
  });

  test('finish after a lost answer finds its own object in the way', async () => {
    let finishes = 0;
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: 10 * SLICE });
        if (fields.op !== 'upload_slice_finish') return undefined;
        finishes += 1;
        return finishes === 1 ? lost : refuse(-177, 409);
      },
    });
    await clock.runUntil(start().done);
    expect(transport.transcript.at(-1)).toBe('upload_slice_list');
  });

  test('finish that meets an object for the first time is refused', async () => {
    const { start, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_finish' ? refuse(-177, 409) : undefined),
    });
    expect(await clock.runUntil(code(start().done))).toBe('exists');
  });

  test('a finish that was refused for an object at the path is not remembered as one that may have made it', async () => {
    const { records, ...resume } = memoryStore();
    const { start, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_finish' ? refuse(-177, 409) : undefined),
    });
    expect(await clock.runUntil(code(start({ resume }).done))).toBe('exists');
    expect(records.get(KEY)).toMatchObject({ session: expect.any(String), finishing: false });
  });

  test('a session that is gone at finish, with nothing at the path, is opened again, once', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_finish' ? refuse(-197, 404) : undefined),
    });
    const error = await clock.runUntil(start().done.catch((failure) => failure));
    expect(error).toMatchObject({ code: 'session-lost', cause: { wireCode: -197 } });
    expect(transport.transcript.filter((line) => line === 'upload_slice_init')).toHaveLength(2);
  });

  test('a finish that is refused again and again although nothing is missing gives its reason', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_finish') return refuse(-175, 400);
        return fields.op === 'upload_slice_list' ? listed([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) : undefined;
      },
    });
    const error = await clock.runUntil(start().done.catch((failure) => failure));
    expect(error).toMatchObject({ code: 'bad-request', wireCode: -175 });
    expect(transport.transcript.filter((line) => line === 'upload_slice_finish')).toHaveLength(4);
  });
});

describe('what the server says is there', () => {
  test('in the old style the slice that completes the object ends the upload', async () => {
    const { start, transport, clock } = setUp({
      options: { concurrency: 1 },
      answer: ({ fields }) =>
        fields.offset === String(9 * SLICE) ? ok({ session: 's1', offset: 9 * SLICE, ...FOUND }) : undefined,
    });
    const result = await clock.runUntil(start().done);
    expect(result).toMatchObject({ accessUrl: 'http://dl/o', instant: false });
    expect(transport.transcript).not.toContain('upload_slice_finish');
  });

  test('a location in the middle of an upload ends nothing', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.offset === '0' ? ok({ session: 's1', offset: 0, ...FOUND }) : undefined),
    });
    await clock.runUntil(start().done);
    expect(transport.transcript.at(-1)).toBe('upload_slice_finish');
  });

  test.each([
    ['of our SHA-1', { sha: SHA }, {}, true],
    ['of another SHA-1', { sha: 'd'.repeat(40) }, {}, false],
    ['of another size', { sha: SHA, filesize: 3 }, {}, false],
    ['that may be older than our finish', {}, { finishing: true, overwrite: true }, false],
    ['that cannot be older than our finish', {}, { finishing: true }, true],
    ['of another size, after our finish', { filesize: 3 }, { finishing: true }, false],
  ])('an object %s counts: %#', async (_name, said, recorded, counts) => {
    const store = memoryStore(new Map([[KEY, record({ sha: SHA, overwrite: false, ...recorded })]]));
    const { overwrite } = store.records.get(KEY) ?? {};
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_list' ? ok({ ...FOUND, ...said }) : undefined),
    });
    await clock.runUntil(start({ resume: store, overwrite: overwrite ?? false }).done);
    expect(transport.transcript.length === 1).toBe(counts);
  });

  test('a session that is not the recorded one is left to the server to judge', async () => {
    const store = memoryStore(new Map([[KEY, record({ session: 's0' })]]));
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return listed([0, 1]);
        return fields.op === 'upload_slice_init' ? refuse(-4020, 409) : undefined;
      },
    });
    expect(await clock.runUntil(code(start({ resume: store }).done))).toBe('conflict');
    expect(transport.transcript).toEqual(['upload_slice_list', 'upload_slice_init']);
  });

  test('a server that contradicts itself is called out', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_init' ? refuse(-4019, 409) : undefined),
    });
    expect(await clock.runUntil(code(start().done))).toBe('bad-reply');
    expect(transport.transcript).toHaveLength(8);
  });

  test('a checkpoint of an earlier run is handed to the hasher, unless the slices differ', async () => {
    for (const [sliceSizeBytes, expected] of [
      [SLICE, { hashedBytes: SLICE, data: 'half' }],
      [2 * SLICE, undefined],
    ] as const) {
      const { session: _session, ...unopened } = record({ sliceSizeBytes, hash: { hashedBytes: SLICE, data: 'half' } });
      const seen: unknown[] = [];
      const { start, clock } = setUp({
        hasher: {
          uploadParts: async (_source, _size, { from }) => {
            seen.push(from);
            return { sha: SHA, parts: [] };
          },
        },
      });
      await clock.runUntil(start({ integrity: 'sha1', resume: memoryStore(new Map([[KEY, unopened]])) }).done);
      expect(seen).toEqual([expected]);
    }
  });
});

describe('an instant upload whose answer was lost', () => {
  const lost = new CosSliceError('network', 'lost', { remedy: 'backoff' });
  /** A server that has the content, makes the object and does not get to say so, `losses` times. */
  const instant = ({ how = lost as ScriptedReply | 'hang', losses = 1, sha = SHA } = {}): Answer => {
    let inits = 0;
    return ({ fields }) => {
      if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: 10 * SLICE, sha });
      if (fields.op !== 'upload_slice_init') return undefined;
      inits += 1;
      return inits <= losses ? how : refuse(-177, 409);
    };
  };

  test.each([
    ['was cut off', lost, 1],
    ['did not come in time', 'hang' as const, 1],
    ['was cut off again and again', lost, 4],
    [
      'was a kept connection that was closed',
      new CosSliceError('network', 'closed', { remedy: 'backoff', stale: true }),
      1,
    ],
  ])('is found by its SHA-1: it %s', async (_name, how, losses) => {
    const { start, transport, clock } = setUp({ answer: instant({ how, losses }) });
    const upload = start({ integrity: 'sha1' });
    expect(await clock.runUntil(code(upload.done))).toBe(undefined);
    expect(transport.transcript.at(-1)).toBe('upload_slice_list');
    expect(sends(transport.transcript)).toEqual([]);
  });

  test("is not mistaken for somebody else's object", async () => {
    const { start, clock } = setUp({ answer: instant({ sha: 'd'.repeat(40) }) });
    expect(await clock.runUntil(code(start({ integrity: 'sha1' }).done))).toBe('exists');
  });

  test('is not looked for where nothing was lost', async () => {
    const { start, transport, clock } = setUp({ answer: instant({ losses: 0 }) });
    expect(await clock.runUntil(code(start({ integrity: 'sha1' }).done))).toBe('exists');
    expect(transport.transcript).toEqual(['upload_slice_init']);
  });

  test('is found after it was broken off by a pause', async () => {
    const { start, clock } = setUp({ answer: instant({ how: 'hang' }) });
    const upload = start({ integrity: 'sha1' });
    await clock.settle();
    upload.pause();
    await clock.advance(8_000);
    upload.resume();
    expect(await clock.runUntil(code(upload.done))).toBe(undefined);
  });

  test('is found by the next run, which knows that there was an init', async () => {
    const resume = memoryStore();
    const { start, clock } = setUp({ answer: instant({ how: 'hang', losses: 1 }) });
    const controller = new AbortController();
    const first = start({ integrity: 'sha1', resume, signal: controller.signal });
    await clock.settle();
    controller.abort('crash');
    await clock.runUntil(first.done.catch(() => {}));
    expect(resume.records.get(KEY)).toMatchObject({ sha: SHA, initCalled: true });
    expect(await clock.runUntil(code(start({ integrity: 'sha1', resume }).done))).toBe(undefined);
    expect(resume.records.size).toBe(0);
  });
});

describe('in the old style, where the last slice completes the object', () => {
  test.each([
    ['is found by its SHA-1', { sha: SHA }, undefined],
    ["somebody else's is not mistaken for it", { sha: 'd'.repeat(40) }, 'exists'],
    ['an object without a SHA-1 proves nothing', {}, 'exists'],
  ])('an object whose last answer was lost: %s', async (_name, said, expected) => {
    let complete = false;
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { concurrency: 1, integrity: 'sha1' },
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list' && complete) return ok({ ...FOUND, filesize: 2 * SLICE, ...said });
        if (fields.op === 'upload_slice_init' && complete) return refuse(-177, 409);
        if (fields.op !== 'upload_slice_data' || fields.offset === '0') return undefined;
        if (complete) return refuse(-197, 404);
        complete = true;
        return new CosSliceError('network', 'lost', { remedy: 'backoff' });
      },
    });
    expect(await clock.runUntil(code(start().done))).toBe(expected);
  });
});
