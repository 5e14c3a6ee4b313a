import { describe, expect, test, vi } from 'vitest';
import { CosSliceError } from '../errors.ts';
import {
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
import type { Upload } from './upload.ts';

describe('resume', () => {
  test('lists first when there is a record, and sends only what is missing', async () => {
    const store = memoryStore(new Map([[KEY, record()]]));
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_list' ? listed([0, 1, 2, 7]) : undefined),
    });
    const result = await clock.runUntil(start({ resume: store }).done);
    expect(transport.transcript[0]).toBe('upload_slice_list');
    expect(sends(transport.transcript)).toEqual(
      [3, 4, 5, 6, 8, 9].map((index) => `upload_slice_data@${index * SLICE}`),
    );
    expect(result).toMatchObject({ resumedBytes: 4 * SLICE, sentBytes: 6 * SLICE });
    expect(store.records.size).toBe(0);
  });

  test('opens first without a record, and lists on -4019', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_init') return refuse(-4019, 409);
        return fields.op === 'upload_slice_list' ? listed([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) : undefined;
      },
    });
    const result = await clock.runUntil(start().done);
    expect(transport.transcript).toEqual(['upload_slice_init', 'upload_slice_list', 'upload_slice_finish']);
    expect(result).toMatchObject({ resumedBytes: 10 * SLICE, sentBytes: 0 });
  });

  test('opens anew when the recorded session is unknown', async () => {
    const store = memoryStore(new Map([[KEY, record()]]));
    const { start, transport, clock } = setUp({});
    await clock.runUntil(start({ resume: store }).done);
    expect(transport.transcript.slice(0, 2)).toEqual(['upload_slice_list', 'upload_slice_init']);
  });

  test('takes the SHA-1 from the record instead of hashing again', async () => {
    const store = memoryStore(new Map([[KEY, record({ sha: SHA })]]));
    const uploadParts = vi.fn();
    const { start, transport, clock } = setUp({
      hasher: { uploadParts },
      answer: ({ fields }) => (fields.op === 'upload_slice_list' ? listed([0], { sha: SHA }) : undefined),
    });
    await clock.runUntil(start({ resume: store, integrity: 'sha1' }).done);
    expect(uploadParts).not.toHaveBeenCalled();
    expect(transport.requests.at(-1)?.fields).toMatchObject({ op: 'upload_slice_finish', sha: SHA });
  });

  test.each([
    ['once it is on record', 0],
    ['without waiting long for a store that hangs', Number.POSITIVE_INFINITY],
  ])('finish is called %s', async (_how, delayMs) => {
    const store = memoryStore(new Map());
    const { start, transport, clock } = setUp({});
    const finishing: string[] = [];
    const save: typeof store.save = async (key, saved) => {
      if (saved.finishing) {
        await clock.sleep(Math.min(delayMs || 400, 1e9), new AbortController().signal);
        finishing.push(transport.transcript.at(-1) ?? '');
      }
      return store.save(key, saved);
    };
    const upload = start({ resume: { ...store, save } });
    await clock.runUntil(upload.done);
    expect(transport.transcript.at(-1)).toBe('upload_slice_finish');
    expect(finishing.map((last) => last.split('@')[0])).toEqual(delayMs === 0 ? ['upload_slice_data'] : []);
  });

  test.each([
    ['once the session is on record', 400],
    ['without waiting long for a store that hangs', 1e9],
  ])('the first slices are sent %s', async (_how, delayMs) => {
    const store = memoryStore();
    let savedAfterMs = Number.POSITIVE_INFINITY;
    let sentAfterMs: number | undefined;
    const { start, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_data') sentAfterMs ??= clock.monotonicMs() - beganAtMs;
        return undefined;
      },
    });
    const save: typeof store.save = async (key, saved) => {
      await clock.sleep(delayMs, new AbortController().signal);
      savedAfterMs = Math.min(savedAfterMs, clock.monotonicMs() - beganAtMs);
      return store.save(key, saved);
    };
    const beganAtMs = clock.monotonicMs();
    await clock.runUntil(start({ resume: { ...store, save } }).done);
    expect(sentAfterMs).toBeGreaterThanOrEqual(Math.min(savedAfterMs, 1000));
    expect(sentAfterMs).toBeLessThan(2000);
  });

  test('a file whose finish had been called ends at once', async () => {
    const store = memoryStore(new Map([[KEY, record({ finishing: true })]]));
    const { start, transport, clock } = setUp({ answer: () => ok(FOUND) });
    const result = await clock.runUntil(start({ resume: store }).done);
    expect(transport.transcript).toEqual(['upload_slice_list']);
    expect(result.instant).toBe(true);
  });

  test.each([true, false])('an object at the path does not pass for ours (overwrite: %s)', async (overwrite) => {
    const store = memoryStore(new Map([[KEY, record({ overwrite })]]));
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: 10 * SLICE });
        return fields.op === 'upload_slice_init' && !overwrite ? refuse(-177, 409) : undefined;
      },
    });
    expect(await clock.runUntil(code(start({ resume: store, overwrite }).done))).toBe(overwrite ? undefined : 'exists');
    expect(transport.transcript.slice(0, 2)).toEqual(['upload_slice_list', 'upload_slice_init']);
  });

  test.each([
    ['overwriting', record(), { overwrite: true }],
    ['not overwriting', record({ overwrite: true }), {}],
    ['other attributes', record({ attributes: 'a' }), { attributes: 'b' }],
    ['a SHA-1', record(), { integrity: 'sha1' as const }],
  ])('a session that was opened without %s is not gone on with', async (_name, recorded, options) => {
    let unfinished = true;
    const { start, transport, clock, slices } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_init' && unfinished) return refuse(-4020, 409);
        if (fields.op === 'upload_slice_list') return listed([0, 1]);
        if (fields.op === 'delete') unfinished = false;
        return undefined;
      },
    });
    const store = memoryStore(new Map([[KEY, recorded]]));
    const result = await clock.runUntil(start({ resume: store, ...options }).done);
    expect(transport.transcript.slice(0, 5)).toEqual([
      'upload_slice_init',
      'upload_slice_list',
      'upload_slice_list',
      'delete',
      'upload_slice_init',
    ]);
    expect(result.resumedBytes).toBe(0);
    expect(slices).toHaveLength(10);
  });

  test('saves the session as soon as it exists, without the signature, and keeps it after a failure', async () => {
    const store = memoryStore();
    const { start, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_data' ? refuse(-47, 403) : undefined),
    });
    expect(await clock.runUntil(code(start({ resume: store }).done))).toBe('unauthorized');
    expect(store.records.get(KEY)).toMatchObject({ session: 's1', sliceSizeBytes: SLICE, identity: 'content-1' });
    expect(JSON.stringify([...store.records])).not.toContain('U0lH');
  });

  test('a failing store never fails an upload', async () => {
    const broken = async (): Promise<never> => {
      throw new Error('disk full');
    };
    const { start, clock } = setUp({});
    const upload = start({ resume: { load: broken, save: broken, remove: broken } });
    await clock.runUntil(upload.done);
    expect(upload.state.resumable).toBe(false);
  });

  test('an upload says whether another run could go on with it', async () => {
    const resumable = async (upload: Upload, clock: { runUntil<T>(done: Promise<T>): Promise<T> }) => {
      await clock.runUntil(upload.done);
      return upload.state.resumable;
    };
    const { start, clock } = setUp({});
    expect(await resumable(start({ resume: memoryStore() }), clock)).toBe(true);
    expect(await resumable(start({ resume: false }), clock)).toBe(false);
    const stream = setUp({ source: { identity: async () => undefined } });
    expect(await resumable(stream.start({ resume: memoryStore() }), stream.clock)).toBe(false);
  });

  test.each([
    ['s1', true, 'done'],
    ['s1', false, 'done'],
    ['of-another', false, 'exists'],
    ['', false, 'exists'],
  ])(
    'a finish that was not heard of goes by who made the object: %o (overwrite: %s)',
    async (made_by, overwrite, end) => {
      const store = memoryStore(new Map([[KEY, record({ finishing: true, overwrite })]]));
      const { start, transport, clock } = setUp({
        answer: ({ fields: { op } }) => {
          if (op === 'upload_slice_list') return ok({ ...FOUND, filesize: 10 * SLICE, made_by });
          return op === 'upload_slice_init' ? refuse(-177, 409) : undefined;
        },
      });
      const ended = await clock.runUntil(code(start({ resume: store, overwrite }).done));
      expect(ended ?? 'done').toBe(end);
      expect(sends(transport.transcript)).toEqual([]);
    },
  );

  test('a session that has bytes of a file that changed is not gone on with, should the file become what it was', async () => {
    const store = memoryStore();
    const changed = setUp({
      source: {
        async verify() {
          throw new CosSliceError('source-changed', 'it is another file');
        },
      },
    });
    const upload = changed.start({ resume: store });
    expect(await changed.clock.runUntil(code(upload.done))).toBe('source-changed');
    expect(upload.state.resumable).toBe(false);
    expect(store.records.get(KEY)).toMatchObject({ session: 's1' });

    let isThere = true;
    const { start, transport, clock } = setUp({
      answer: ({ fields: { op, session } }) => {
        if (op === 'delete') {
          isThere = session !== 's1';
          return ok({});
        }
        if (op === 'upload_slice_init' && isThere) return refuse(-4020, 409);
        return op === 'upload_slice_list' ? listed([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) : undefined;
      },
    });
    await clock.runUntil(start({ resume: store }).done);
    expect(sends(transport.transcript)).toHaveLength(10);
  });

  test('a session that comes without a SHA-1 from a server that would tell is not the one that is the same', async () => {
    const { start, transport, clock } = setUp({
      options: { integrity: 'sha1' },
      answer: ({ fields: { op } }) => {
        if (op === 'upload_slice_init') return refuse(-4019, 409);
        return op === 'upload_slice_list' ? listed([0, 1], { session: 'of-another', session_delete: 1 }) : undefined;
      },
    });
    expect(await clock.runUntil(code(start().done))).toBe('conflict');
    expect(transport.transcript).toEqual(['upload_slice_init', 'upload_slice_list']);
  });

  test('other content at the path is a conflict', async () => {
    const { start, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_init' ? refuse(-4020, 409) : undefined),
    });
    expect(await clock.runUntil(code(start().done))).toBe('conflict');
  });

  test.each([
    ['another size', { filesize: 7 }],
    ['another SHA-1', { sha: 'd'.repeat(40) }],
  ])('a listed session of %s is a conflict', async (_name, more) => {
    const { start, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_init') return refuse(-4019, 409);
        return fields.op === 'upload_slice_list' ? listed([], more) : undefined;
      },
    });
    expect(await clock.runUntil(code(start({ integrity: 'sha1' }).done))).toBe('conflict');
  });

  test.each([-4019, -4020])(
    'our own session of the file as it was before an edit is dropped (%s)',
    async (wireCode) => {
      const store = memoryStore(new Map([[KEY, record({ identity: 'content-0' })]]));
      let unfinished = true;
      const { start, transport, clock } = setUp({
        answer: ({ fields }) => {
          if (fields.op === 'upload_slice_init' && unfinished) return refuse(wireCode, 409);
          if (fields.op === 'delete') unfinished = false;
          return fields.op === 'upload_slice_list' ? listed([0, 1]) : undefined;
        },
      });
      const result = await clock.runUntil(start({ resume: store }).done);
      expect(transport.transcript.slice(0, 5)).toEqual([
        'upload_slice_init',
        'upload_slice_list',
        'upload_slice_list',
        'delete',
        'upload_slice_init',
      ]);
      expect(result.resumedBytes).toBe(0);
    },
  );

  test("somebody else's session is not dropped, though the record has one of ours", async () => {
    const store = memoryStore(new Map([[KEY, record({ identity: 'content-0', session: 's0' })]]));
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_init') return refuse(-4020, 409);
        return fields.op === 'upload_slice_list' ? listed([0, 1]) : undefined;
      },
    });
    expect(await clock.runUntil(code(start({ resume: store }).done))).toBe('conflict');
    expect(transport.transcript).toEqual(['upload_slice_init', 'upload_slice_list']);
  });

  test('a session that is lost in the middle leads back to init, once', async () => {
    let sessions = 0;
    const { start, transport, clock } = setUp({
      options: { concurrency: 1 },
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_init') {
          sessions += 1;
          return ok({ session: `s${sessions}`, slice_size: SLICE });
        }
        return fields.session === 's1' && fields.offset === String(3 * SLICE) ? refuse(-197, 404) : undefined;
      },
    });
    const upload = start();
    const shown: number[] = [];
    upload.subscribe((state) => shown.push(state.progress.fraction));
    await clock.runUntil(upload.done);
    expect(sessions).toBe(2);
    expect(sends(transport.transcript)).toHaveLength(4 + 10);
    expect(shown).toEqual(shown.toSorted((a, b) => a - b));
  });

  test.each([
    ['before', 'upload_slice_data'],
    ['after', 'upload_slice_finish'],
  ])('a session that somebody has opened since, %s finish, is not taken for the lost one', async (_when, lastOp) => {
    let inits = 0;
    let last = 0;
    const { start, transport, clock } = setUp({
      answer: ({ fields: { op, offset } }) => {
        // Other content of the same size, as far as it has come: nothing but its id tells.
        if (op === 'upload_slice_list') return listed([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], { session: 'of-another' });
        if (op === 'upload_slice_init') {
          inits += 1;
          return inits === 1 ? undefined : refuse(-4020, 409);
        }
        if (op !== lastOp || (op === 'upload_slice_data' && offset !== String(9 * SLICE))) return undefined;
        last += 1;
        return last === 1 ? new CosSliceError('network', 'lost', { remedy: 'backoff' }) : refuse(-197, 404);
      },
    });
    expect(await clock.runUntil(code(start().done))).toBe('conflict');
    expect(transport.requests.filter(({ fields }) => fields.session === 'of-another')).toEqual([]);
  });

  test('a server that loses every session is called out', async () => {
    const { start, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_data' ? refuse(-197, 404) : undefined),
    });
    expect(await clock.runUntil(code(start().done))).toBe('session-lost');
  });

  test('a finish that is refused for missing slices is mended', async () => {
    let finishes = 0;
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_finish') {
          finishes += 1;
          return finishes === 1 ? refuse(-5999, 400) : undefined;
        }
        return fields.op === 'upload_slice_list' ? listed([0, 1, 2, 3, 5, 6, 7, 8, 9]) : undefined;
      },
    });
    await clock.runUntil(start().done);
    expect(transport.transcript.slice(-4)).toEqual([
      'upload_slice_finish',
      'upload_slice_list',
      `upload_slice_data@${4 * SLICE}`,
      'upload_slice_finish',
    ]);
  });

  test('a finish whose answer was lost is found out by listing', async () => {
    let finishes = 0;
    const { start, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: 10 * SLICE });
        if (fields.op !== 'upload_slice_finish') return undefined;
        finishes += 1;
        return finishes === 1 ? new CosSliceError('network', 'lost', { remedy: 'backoff' }) : refuse(-197, 404);
      },
    });
    expect((await clock.runUntil(start().done)).instant).toBe(false);
  });
});

test('hashing that was cut off goes on from its last checkpoint, which is kept now and then', async () => {
  const resume = memoryStore();
  const from: unknown[] = [];
  const saved: unknown[] = [];
  const { start, clock } = setUp({
    options: { integrity: 'sha1', resume },
    hasher: {
      async uploadParts(_source, _size, { from: checkpoint, onCheckpoint, signal }) {
        from.push(checkpoint);
        for (let slices = 1; from.length === 1 && slices < 10; slices += 1) {
          onCheckpoint({ hashedBytes: slices * SLICE, data: `${slices}` });
          await clock.sleep(1_000, signal);
          saved.push(resume.records.get(KEY)?.hash?.data);
        }
        return { sha: SHA, parts: [] };
      },
    },
  });
  const controller = new AbortController();
  const first = start({ signal: controller.signal });
  await clock.advance(6_500);
  controller.abort('crash');
  await clock.runUntil(first.done.catch(() => {}));
  const last = resume.records.get(KEY)?.hash;
  expect(last?.hashedBytes).toBeGreaterThan(SLICE);
  // Not at each of them.
  expect(new Set(saved).size).toBeLessThan(saved.length);
  await clock.runUntil(start().done);
  expect(from).toEqual([undefined, last]);
});

test('content that was found damaged when it was whole is not gone on with', async () => {
  const resume = memoryStore();
  const { start, clock } = setUp({
    options: { resume, retry: { attempts: 2 } },
    answer: ({ fields }) => (fields.op === 'upload_slice_finish' ? refuse(-4016, 409) : undefined),
  });
  const upload = start();
  expect(await clock.runUntil(code(upload.done))).toBe('integrity');
  expect(resume.records.size).toBe(0);
});

test('a lock that comes when nobody waits for it any more is given back', async () => {
  let grant = (): void => {};
  const granted = new Promise<void>((resolve) => {
    grant = resolve;
  });
  const released: string[] = [];
  const { start, clock } = setUp({});
  const lock = async (key: string) => {
    await granted;
    return async () => void released.push(key);
  };
  const upload = start({ resume: { ...memoryStore(), lock } });
  await clock.runUntil(upload.done);
  expect(released).toEqual([]);
  grant();
  await clock.settle();
  expect(released).toEqual([KEY]);
});

test('a record has proofs of slices only on wires that have some', async () => {
  const resume = memoryStore();
  const { start, clock } = setUp({
    options: { resume, integrity: 'md5' },
    answer: ({ fields }) => (fields.op === 'upload_slice_finish' ? refuse(-97, 403) : undefined),
  });
  expect(await clock.runUntil(code(start().done))).toBe('unauthorized');
  expect(resume.records.get(KEY)).toMatchObject({ session: 's1' });
  expect(resume.records.get(KEY)?.proven).toBeUndefined();
});
