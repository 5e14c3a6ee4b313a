import { describe, expect, test, vi } from 'vitest';
import { createLimiter } from '../batch/limiter.ts';
import { CosSliceError } from '../errors.ts';
import type { UploadOptions } from '../options/options.ts';
import type { ByteRange, Hasher, Network, ResumeRecord, ResumeStore, SignClaim, Source } from '../ports.ts';
import {
  createManualClock,
  createScriptedTransport,
  type ScriptedReply,
  type ScriptedRequest,
} from '../testing/index.ts';
import { createUpload } from './create-upload.ts';
import type { Upload, UploadSnapshot } from './upload.ts';

const KIB = 1024;
const SLICE = 64 * KIB;
const SHA = 'c'.repeat(40);
const FOUND = {
  access_url: 'http://dl/o',
  source_url: 'http://src/o',
  url: 'http://api/o',
  resource_path: '/1/b/o',
};

type Answer = (
  request: ScriptedRequest<ByteRange>,
  index: number,
) => ScriptedReply | Promise<ScriptedReply> | undefined;

const ok = (data: object): ScriptedReply => ({ json: { code: 0, message: 'SUCCESS', data } });
const refuse = (code: number, status: number, headers = {}): ScriptedReply => ({
  status,
  headers,
  json: { code, message: `ERROR_${-code}`, request_id: 'r1' },
});

/** A server that does what the protocol says. */
function happy({ fields }: ScriptedRequest<ByteRange>, sliceSize = SLICE): ScriptedReply {
  switch (fields.op) {
    case 'upload_slice_init':
      return ok({ session: 's1', slice_size: sliceSize });
    case 'upload_slice_data':
      return ok({ session: fields.session, offset: Number(fields.offset) });
    case 'upload_slice_list':
      return refuse(-197, 404);
    default:
      return ok(FOUND);
  }
}

function setUp(options: {
  size?: number;
  answer?: Answer;
  options?: Partial<UploadOptions>;
  source?: Partial<Source<ByteRange>>;
  hasher?: Partial<Hasher<ByteRange>>;
  network?: Network;
}) {
  const clock = createManualClock();
  const transport = createScriptedTransport<ByteRange>(
    (request, index) => options.answer?.(request, index) ?? happy(request),
  );
  const claims: SignClaim[] = [];
  const slices: ByteRange[] = [];
  const released: ByteRange[] = [];
  const source: Source<ByteRange> = {
    sizeBytes: options.size ?? 10 * SLICE,
    async slice(range) {
      slices.push(range);
      return range;
    },
    release: (range) => void released.push(range),
    identity: async () => 'content-1',
    ...options.source,
  };
  const hasher: Hasher<ByteRange> = {
    digest: async (algorithm, range) => `${algorithm}-${range.offset}`,
    uploadParts: async (_source, sliceSizeBytes) => ({
      sha: SHA,
      parts: [{ offset: 0, datalen: sliceSizeBytes, datasha: SHA }],
    }),
    ...options.hasher,
  };
  const start = (more: Partial<UploadOptions> = {}): Upload =>
    createUpload(
      async () => source,
      {
        endpoint: 'http://cos.test/files/v2',
        appId: '10055004',
        bucket: 'demobucket',
        path: 'dir/name.bin',
        signer: (claim) => {
          claims.push(claim);
          return `U0lHTkFUVVJF${claims.length}===`.slice(0, 16);
        },
        sliceSize: SLICE,
        concurrency: 3,
        retry: { baseDelayMs: 1000 },
        ...options.options,
        ...more,
      },
      { transport, hasher, clock, random: () => 0.5, ...(options.network ? { network: options.network } : {}) },
    );
  return { clock, transport, claims, slices, released, start };
}

function memoryStore(records = new Map<string, ResumeRecord>()): ResumeStore & { records: Map<string, ResumeRecord> } {
  return {
    records,
    load: async (key) => records.get(key),
    save: async (key, record) => void records.set(key, record),
    remove: async (key) => void records.delete(key),
  };
}

const record = (facts: Partial<ResumeRecord> = {}): ResumeRecord => ({
  version: 1,
  identity: 'content-1',
  sizeBytes: 10 * SLICE,
  sliceSizeBytes: SLICE,
  session: 's1',
  savedAtMs: 0,
  ...facts,
});
const KEY = 'http://cos.test/files/v2/10055004/demobucket/dir/name.bin';
const listed = (offsets: number[], more = {}): ScriptedReply =>
  ok({
    session: 's1',
    slice_size: SLICE,
    filesize: 10 * SLICE,
    listparts: offsets.map((index) => ({ offset: index * SLICE, datalen: SLICE })),
    ...more,
  });
const code = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error) => error.code ?? error,
  );
const sends = (transcript: readonly string[]): string[] =>
  transcript.filter((line) => line.startsWith('upload_slice_data'));

describe('a fresh upload', () => {
  test('opens, sends every slice once, finishes', async () => {
    const { start, transport, clock, slices, released } = setUp({});
    const upload = start();
    const result = await clock.runUntil(upload.done);
    expect(transport.transcript[0]).toBe('upload_slice_init');
    expect(transport.transcript.slice(1, -1).toSorted()).toEqual(
      Array.from({ length: 10 }, (_, index) => `upload_slice_data@${index * SLICE}`).toSorted(),
    );
    expect(transport.transcript.at(-1)).toBe('upload_slice_finish');
    expect(result).toEqual({
      accessUrl: 'http://dl/o',
      sourceUrl: 'http://src/o',
      url: 'http://api/o',
      resourcePath: '/1/b/o',
      instant: false,
      resumedBytes: 0,
      sentBytes: 10 * SLICE,
    });
    expect(released).toHaveLength(slices.length);
    expect(upload.state.phase).toBe('done');
    expect(upload.state.progress.fraction).toBe(1);
  });

  test('keeps slices of one file in flight together, up to the limit (uppy#6547)', async () => {
    const { start, transport, clock } = setUp({ options: { concurrency: 4 } });
    await clock.runUntil(start().done);
    expect(transport.mostInFlight).toBe(4);
  });

  test('shares one limit among the uploads of a client', async () => {
    const limiter = createLimiter(2);
    const one = setUp({});
    const uploads = [one.start({ concurrency: limiter, path: 'a' }), one.start({ concurrency: limiter, path: 'b' })];
    await one.clock.runUntil(Promise.all(uploads.map((upload) => upload.done)));
    expect(one.transport.mostInFlight).toBe(2);
  });

  test("adopts the server's slice size and obeys serial_upload", async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) =>
        fields.op === 'upload_slice_init'
          ? ok({ session: 's1', slice_size: String(4 * SLICE), serial_upload: 1 })
          : undefined,
    });
    await clock.runUntil(start().done);
    expect(transport.mostInFlight).toBe(1);
    expect(sends(transport.transcript)).toEqual([0, 4, 8].map((index) => `upload_slice_data@${index * SLICE}`));
  });

  test.each([
    ['an empty file', 0],
    ['one byte', 1],
    ['exactly one slice', SLICE],
  ])('sends %s in one request', async (_name, size) => {
    const { start, transport, clock } = setUp({ size });
    const result = await clock.runUntil(start({ integrity: 'md5' }).done);
    expect(transport.transcript).toEqual(['upload']);
    expect(transport.requests[0]?.fields).toMatchObject({ op: 'upload', insertOnly: '1', sha: 'sha1-0' });
    expect(result.sentBytes).toBe(size);
  });

  test('is instant when the server has the content', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_init' ? ok(FOUND) : undefined),
    });
    const result = await clock.runUntil(start({ integrity: 'sha1' }).done);
    expect(transport.transcript).toEqual(['upload_slice_init']);
    expect(transport.requests[0]?.fields.sha).toBe(SHA);
    expect(JSON.parse(transport.requests[0]?.fields.uploadparts ?? '')).toEqual([
      { offset: 0, datalen: SLICE, datasha: SHA },
    ]);
    expect(result).toMatchObject({ instant: true, sentBytes: 0, sha1: SHA });
  });

  test('sends the MD5 of each slice and sends a slice again whose echo differs', async () => {
    let lied = false;
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data' || fields.offset !== '0' || lied) return undefined;
        lied = true;
        return ok({ session: 's1', offset: 0, datamd5: 'other' });
      },
    });
    await clock.runUntil(start({ integrity: 'md5' }).done);
    expect(transport.requests.find((request) => request.fields.offset === String(SLICE))?.fields.datamd5).toBe(
      `md5-${SLICE}`,
    );
    expect(sends(transport.transcript).filter((line) => line.endsWith('@0'))).toHaveLength(2);
  });
});

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

describe('a kept connection that the other side had closed', () => {
  const stale = () => new CosSliceError('network', 'closed', { remedy: 'backoff', stale: true });

  test('costs neither a pause nor an attempt', async () => {
    const { start, clock, transport } = setUp({
      options: { retry: { attempts: 1, baseDelayMs: 3_600_000, maxDelayMs: 3_600_000 } },
      answer: ({ fields }, index) => (index % 2 === 0 && fields.op !== 'upload_slice_list' ? stale() : undefined),
    });
    const startedAtMs = clock.nowMs();
    await clock.runUntil(start({ concurrency: 1 }).done);
    expect(clock.nowMs() - startedAtMs).toBeLessThan(60_000);
    expect(transport.requests.length).toBeGreaterThan(20);
  });

  test('leaves it open whether the server had acted: an object that is there then may be ours', async () => {
    let singles = 0;
    const { start, clock } = setUp({
      size: 1000,
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return ok({ ...FOUND, filesize: 1000, sha: 'sha1-0' });
        singles += 1;
        return singles === 1 ? stale() : refuse(-177, 409);
      },
    });
    await clock.runUntil(start({ integrity: 'md5' }).done);
    expect(singles).toBe(2);
  });
});

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
    await clock.runUntil(start({ onConflict: 'restart' }).done);
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

describe('retry', () => {
  test('waits longer each time, with jitter, and then gives up', async () => {
    const times: number[] = [];
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { concurrency: 1, retry: { attempts: 4, baseDelayMs: 1000 } },
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        times.push(clock.nowMs());
        return refuse(-5997, 503);
      },
    });
    const startedAtMs = clock.nowMs();
    expect(await clock.runUntil(code(start().done))).toBe('unavailable');
    // Half of 1, 2 and 4 seconds.
    expect(times.map((time) => time - startedAtMs)).toEqual([0, 500, 1500, 3500]);
  });

  test('honours Retry-After', async () => {
    const times: number[] = [];
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { concurrency: 1 },
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data' || times.length > 1) return undefined;
        times.push(clock.nowMs());
        return refuse(-71, 503, { 'Retry-After': '7' });
      },
    });
    await clock.runUntil(start().done);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBe(7000);
  });

  test.each([
    [-47, 403, 'unauthorized'],
    [-97, 403, 'unauthorized'],
    [-133, 404, 'bucket-not-found'],
    [-177, 409, 'exists'],
    [-284, 400, 'bad-request'],
    [-31337, 400, 'bad-request'],
  ])('code %i is final: one attempt, error %s', async (wireCode, status, expected) => {
    const { start, transport, clock } = setUp({ answer: () => refuse(wireCode, status) });
    const failure = start().done.catch((error) => error);
    const error = await clock.runUntil(failure);
    expect(error).toMatchObject({ code: expected, wireCode, httpStatus: status, requestId: 'r1' });
    expect(error.message).not.toContain('\n');
    expect(transport.transcript).toHaveLength(1);
  });

  test('final errors stop everything at once (ali-oss#196)', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        return fields.offset === '0' ? refuse(-97, 403) : 'hang';
      },
    });
    expect(await clock.runUntil(code(start().done))).toBe('unauthorized');
    expect(transport.inFlight).toBe(0);
    expect(sends(transport.transcript)).toHaveLength(3);
  });

  test('an address where nothing answers is given up soon', async () => {
    const refused = new CosSliceError('network', 'refused', { remedy: 'backoff', unreachable: true });
    const { start, transport, clock } = setUp({ answer: () => refused });
    expect(await clock.runUntil(code(start().done))).toBe('network');
    expect(transport.transcript).toHaveLength(3);
  });

  test('a server that goes away in the middle and comes back is waited for', async () => {
    let outage = 0;
    const { start, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data' || Number(fields.offset) < 3 * SLICE) return undefined;
        outage += 1;
        return outage < 15
          ? new CosSliceError('network', 'refused', { remedy: 'backoff', unreachable: true })
          : undefined;
      },
    });
    await clock.runUntil(start().done);
  });

  test('replies that are not JSON are retried', async () => {
    let times = 0;
    const { start, clock } = setUp({
      answer: () => {
        times += 1;
        return times < 3 ? { status: 502, text: '<html>bad gateway</html>' } : undefined;
      },
    });
    await clock.runUntil(start().done);
  });

  test('being offline waits and costs no attempt (uppy#2978)', async () => {
    let online = true;
    let wentOffline = false;
    const listeners = new Set<() => void>();
    const network: Network = {
      online: () => online,
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const set = (value: boolean): void => {
      online = value;
      for (const listener of listeners) listener();
    };
    const { start, transport, clock } = setUp({
      network,
      options: { retry: { attempts: 1 } },
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        if (fields.offset === '0' && !wentOffline) {
          wentOffline = true;
          set(false);
        }
        return online ? undefined : new CosSliceError('network', 'lost', { remedy: 'backoff' });
      },
    });
    const upload = start();
    await clock.advance(3_600_000);
    expect(upload.state).toMatchObject({ phase: 'sending', online: false });
    expect(transport.inFlight).toBe(0);
    set(true);
    await clock.runUntil(upload.done);
    expect(listeners.size).toBe(0);
  });
});

describe('nothing hangs', () => {
  test.each([
    ['connect', 'hang' as const, 10_000],
    ['response', 'after-sending' as const, 30_000],
    ['no-progress', 'after-a-bit' as const, 30_000],
  ])('%s timeout', async (phase, how, afterMs) => {
    const { start, clock } = setUp({
      options: { retry: { attempts: 1 } },
      answer: ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        if (how !== 'hang') context.onConnected();
        if (how === 'after-sending') context.onSent(SLICE);
        if (how === 'after-a-bit') context.onSent(10);
        return 'hang';
      },
    });
    const startedAtMs = clock.nowMs();
    const error = await clock.runUntil(start().done.catch((failure) => failure));
    expect(error).toMatchObject({ code: 'timeout', phase });
    expect(clock.nowMs() - startedAtMs).toBe(afterMs);
  });

  test('progress keeps an attempt alive', async () => {
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { retry: { attempts: 1 } },
      answer: async ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return happy({ fields } as ScriptedRequest<ByteRange>);
        context.onConnected();
        for (let sent = 0; sent < 10; sent += 1) {
          await clock.sleep(20_000, context.signal);
          context.onSent(sent * 1000);
        }
        return ok({});
      },
    });
    await clock.runUntil(start().done);
  });

  test('a slow link gets more time at each attempt', async () => {
    const { start, clock } = setUp({
      size: 2 * SLICE,
      options: { concurrency: 1 },
      answer: async ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return happy({ fields } as ScriptedRequest<ByteRange>);
        context.onConnected();
        // The kernel swallows the whole slice at once; the reply takes as long as the link needs.
        context.onSent(SLICE);
        await clock.sleep(100_000, context.signal);
        return ok({});
      },
    });
    await clock.runUntil(start().done);
  });
});

describe('signatures', () => {
  test('one for the whole upload, however many slices ask at once', async () => {
    const { start, clock, claims, transport } = setUp({ options: { concurrency: 8 } });
    await clock.runUntil(start().done);
    expect(claims).toHaveLength(1);
    expect(claims[0]).toMatchObject({ appId: '10055004', bucket: 'demobucket', path: 'dir/name.bin', effect: 'multi' });
    expect(new Set(transport.requests.map((request) => request.signature)).size).toBe(1);
  });

  test.each([-59, -96])('refreshed once on %i, by the clock of the reply', async (expired) => {
    const serverNow = Date.parse('Wed, 31 Aug 2016 20:46:40 GMT');
    const { start, clock, claims, transport } = setUp({
      options: { concurrency: 4 },
      answer: ({ fields, signature }) =>
        fields.op === 'upload_slice_data' && signature === transport.requests[0]?.signature
          ? refuse(expired, 403, { Date: 'Wed, 31 Aug 2016 20:46:40 GMT' })
          : undefined,
    });
    await clock.runUntil(start().done);
    expect(claims).toHaveLength(2);
    expect(claims[1]?.nowSec).toBe(serverNow / 1000);
  });

  test('signatures that keep expiring end the upload', async () => {
    const { start, clock, claims } = setUp({ answer: () => refuse(-96, 403) });
    expect(await clock.runUntil(code(start().done))).toBe('signature-expired');
    expect(claims).toHaveLength(3);
  });

  test('that expire while a slice is under way cost attempts, and fewer slices are under way', async () => {
    let refusals = 0;
    const { start, clock } = setUp({
      options: { concurrency: { min: 1, max: 8 } },
      answer: ({ fields }) => {
        if (fields.op !== 'upload_slice_data' || fields.offset !== '0' || refusals === 8) return undefined;
        refusals += 1;
        return refuse(-59, 403);
      },
    });
    const upload = start();
    const limits: number[] = [];
    upload.subscribe(({ progress }) => limits.push(progress.concurrency));
    await clock.runUntil(upload.done);
    expect(refusals).toBe(8);
    expect(Math.min(...limits)).toBe(1);
  });

  test('renewed shortly before they expire (uppy#1724)', async () => {
    const start0 = 1_600_000_000;
    let signed = 0;
    const { start, clock } = setUp({
      size: 40 * SLICE,
      options: {
        concurrency: 1,
        signer: ({ nowSec }) => {
          signed += 1;
          return btoa(`${'x'.repeat(20)}a=1&b=b&k=k&e=${nowSec + 600}&t=${nowSec}&r=1&f=`);
        },
      },
      answer: async ({ fields, signature, context }) => {
        const expiresSec = Number(/&e=(\d+)/.exec(atob(signature))?.[1]);
        expect(expiresSec * 1000).toBeGreaterThan(clock.nowMs());
        context.onConnected();
        await clock.sleep(fields.op === 'upload_slice_data' ? 29_000 : 0, context.signal);
        return happy({ fields } as ScriptedRequest<ByteRange>);
      },
    });
    await clock.runUntil(start().done);
    expect(clock.nowMs() / 1000 - start0).toBeGreaterThan(1100);
    expect(signed).toBe(3);
  });

  test('a signer that throws is retried and then named', async () => {
    let asked = 0;
    const { start, clock } = setUp({
      options: {
        retry: { attempts: 4 },
        signer: () => {
          asked += 1;
          throw new Error('token server down');
        },
      },
    });
    const error = await clock.runUntil(start().done.catch((failure) => failure));
    expect(error).toMatchObject({ code: 'signing-failed', message: 'the signer failed: token server down' });
    expect(asked).toBe(4);
  });

  test('a signer that never answers does not hang the upload', async () => {
    const { start, clock } = setUp({
      options: { retry: { attempts: 1 }, signer: () => new Promise<string>(() => {}) },
    });
    expect(await clock.runUntil(code(start().done))).toBe('signing-failed');
  });

  test('what a signer returns cannot smuggle anything into a request', async () => {
    const { start, clock } = setUp({ options: { signer: () => 'abcd\r\nX-Evil: 1' } });
    expect(await clock.runUntil(code(start().done))).toBe('signing-failed');
  });
});

describe('cancel and pause', () => {
  const phases: [string, Answer | undefined, Partial<Hasher<ByteRange>>, Partial<Source<ByteRange>>][] = [
    ['hashing', undefined, { uploadParts: () => new Promise(() => {}) }, {}],
    ['opening', ({ fields }) => (fields.op === 'upload_slice_init' ? 'hang' : undefined), {}, {}],
    ['sending', ({ fields }) => (fields.op === 'upload_slice_data' ? 'hang' : undefined), {}, {}],
    ['finishing', ({ fields }) => (fields.op === 'upload_slice_finish' ? 'hang' : undefined), {}, {}],
  ];

  test.each(phases)(
    'cancelling while %s rejects with the reason and leaves no request running',
    async (phase, answer, hasher) => {
      const controller = new AbortController();
      const abortable: Partial<Hasher<ByteRange>> = hasher.uploadParts
        ? {
            uploadParts: (_s, _n, { signal }) =>
              new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
          }
        : {};
      const { start, transport, clock, slices, released } = setUp({ ...(answer ? { answer } : {}), hasher: abortable });
      const upload = start({ integrity: 'sha1', signal: controller.signal });
      await clock.settle();
      expect(upload.state.phase).toBe(phase);
      const reason = new Error('enough');
      controller.abort(reason);
      await expect(clock.runUntil(upload.done)).rejects.toBe(reason);
      expect(transport.inFlight).toBe(0);
      expect(upload.state.phase).toBe('cancelled');
      expect(released).toHaveLength(slices.length);
      upload.resume();
      expect(upload.state.phase).toBe('cancelled');
    },
  );

  test('cancelling before it starts sends nothing', async () => {
    const { start, transport, clock } = setUp({});
    const upload = start({ signal: AbortSignal.abort('no') });
    await expect(clock.runUntil(upload.done)).rejects.toBe('no');
    expect(transport.transcript).toEqual([]);
  });

  test.each(phases)(
    'pausing while %s aborts what is in flight and frees its places; resuming goes on',
    async (phase, answer) => {
      let hang = true;
      let hashes = 0;
      const limiter = createLimiter(3);
      const { start, transport, clock } = setUp({
        answer: (request, index) => {
          const reply = answer?.(request, index);
          return hang ? reply : undefined;
        },
        hasher:
          phase === 'hashing'
            ? {
                uploadParts: (_s, _n, { signal, from, onCheckpoint }) => {
                  hashes += 1;
                  if (hashes > 1) {
                    expect(from).toEqual({ hashedBytes: 5, data: 'half' });
                    return Promise.resolve({ sha: SHA, parts: [] });
                  }
                  onCheckpoint({ hashedBytes: 5, data: 'half' });
                  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
                },
              }
            : {},
      });
      const upload = start({ integrity: 'sha1', concurrency: limiter });
      await clock.settle();
      expect(upload.state.phase).toBe(phase);
      upload.pause();
      upload.pause();
      await clock.advance(100_000);
      expect(upload.state).toMatchObject({ phase, paused: true });
      expect(transport.inFlight).toBe(0);
      // Every place is free.
      const free = new AbortController().signal;
      const leaves = await Promise.all([1, 2, 3].map(() => limiter.acquire(free)));
      for (const leave of leaves) leave({ outcome: 'neutral', bytes: 0 });
      hang = false;
      upload.resume();
      upload.resume();
      await clock.runUntil(upload.done);
    },
  );

  test('a paused upload sends nothing until resumed', async () => {
    const { start, transport, clock } = setUp({});
    const upload = start();
    upload.pause();
    await clock.advance(10_000);
    expect(transport.transcript).toEqual([]);
    upload.resume();
    await clock.runUntil(upload.done);
  });
});

describe('the source', () => {
  test('one that changes is never finished', async () => {
    const { start, transport, clock } = setUp({
      source: {
        verify: async () => {
          throw new CosSliceError('source-changed', 'the file changed');
        },
      },
    });
    expect(await clock.runUntil(code(start().done))).toBe('source-changed');
    expect(transport.transcript).not.toContain('upload_slice_finish');
  });

  test('one that cannot be opened fails the upload, once', async () => {
    const { clock } = setUp({});
    const upload = createUpload<ByteRange>(
      async () => {
        throw new Error('ENOENT: no such file');
      },
      { endpoint: 'http://h', appId: 1, bucket: 'b', path: 'p', signer: () => 'abcd' },
      { transport: createScriptedTransport(() => 'hang'), hasher: {} as Hasher<ByteRange>, clock },
    );
    const phases: string[] = [];
    upload.subscribe((state) => phases.push(state.phase));
    const error = await clock.runUntil(upload.done.catch((failure) => failure));
    expect(error).toMatchObject({
      code: 'source-unreadable',
      message: 'the source cannot be opened: ENOENT: no such file',
    });
    expect(phases.filter((phase) => phase === 'failed').length).toBeGreaterThan(0);
  });

  test('is told what is stored, and closed once at the end', async () => {
    const stored: ByteRange[] = [];
    const close = vi.fn(async () => {});
    const { start, clock } = setUp({ source: { stored: (range) => void stored.push(range), close } });
    await clock.runUntil(start().done);
    expect(stored).toHaveLength(10);
    expect(close).toHaveBeenCalledTimes(1);
  });

  test('a locked destination is refused', async () => {
    const { start, transport, clock } = setUp({});
    const store: ResumeStore = {
      ...memoryStore(),
      lock: async () => {
        throw new CosSliceError('locked', 'process 12 uploads to this path');
      },
    };
    expect(await clock.runUntil(code(start({ resume: store }).done))).toBe('locked');
    expect(transport.transcript).toEqual([]);
  });

  test('the lock is given back whatever happens', async () => {
    for (const answer of [undefined, () => refuse(-47, 403)]) {
      const unlock = vi.fn(async () => {});
      const { start, clock } = setUp({ ...(answer ? { answer } : {}) });
      await clock.runUntil(code(start({ resume: { ...memoryStore(), lock: async () => unlock } }).done));
      expect(unlock).toHaveBeenCalledTimes(1);
    }
  });
});

describe('progress', () => {
  test('never falls, stays within the size, and is whole only when finish has succeeded', async () => {
    let failures = 0;
    const { start, clock } = setUp({
      answer: ({ fields, context }) => {
        if (fields.op !== 'upload_slice_data') return undefined;
        failures += 1;
        context.onConnected();
        context.onSent(SLICE / 2);
        return failures % 3 === 0 ? new CosSliceError('network', 'reset', { remedy: 'backoff' }) : undefined;
      },
    });
    const upload = start();
    const seen: UploadSnapshot[] = [];
    upload.subscribe((state) => seen.push(state));
    await clock.runUntil(upload.done);
    const fractions = seen.map((state) => state.progress.fraction);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(seen.filter((state) => state.phase !== 'done').every((state) => state.progress.fraction < 1)).toBe(true);
    expect(seen.every((state) => state.progress.confirmedBytes <= 10 * SLICE)).toBe(true);
    expect(new Set(seen.map((state) => state.phase))).toEqual(new Set(['sending', 'finishing', 'done', 'opening']));
    expect(upload.state.progress.resentBytes).toBeGreaterThan(0);
    expect(upload.state.progress.sentBytes).toBe(10 * SLICE + upload.state.progress.resentBytes);
  });

  test('a listener that throws does not stop the upload', async () => {
    const { start, clock } = setUp({});
    const thrown: unknown[] = [];
    const onUncaught = (error: unknown): void => void thrown.push(error);
    process.on('uncaughtException', onUncaught);
    try {
      const upload = start();
      upload.subscribe(() => {
        throw new Error('listener');
      });
      await clock.runUntil(upload.done);
      await vi.waitFor(() => expect(thrown.length).toBeGreaterThan(0));
    } finally {
      process.off('uncaughtException', onUncaught);
    }
  });

  test('the slice map tells waiting, in flight, stored and resumed apart', async () => {
    const store = memoryStore(new Map([[KEY, record()]]));
    const { start, clock } = setUp({
      answer: ({ fields }) => {
        if (fields.op === 'upload_slice_list') return listed([0, 9]);
        return fields.op === 'upload_slice_data' && Number(fields.offset) > SLICE ? 'hang' : undefined;
      },
    });
    const controller = new AbortController();
    const upload = start({ resume: store, signal: controller.signal });
    await clock.settle();
    expect([...upload.state.sliceMap()]).toEqual([4, 2, 1, 1, 1, 0, 0, 0, 0, 4]);

    controller.abort();
    await clock.runUntil(upload.done.catch(() => {}));
    // What was reached stays to be seen when it has ended.
    const { progress, sliceMap, phase } = upload.state;
    expect(phase).toBe('cancelled');
    expect([...sliceMap()]).toEqual([4, 2, 0, 0, 0, 0, 0, 0, 0, 4]);
    expect(progress).toMatchObject({ confirmedBytes: 3 * SLICE, resumedBytes: 2 * SLICE });
    expect(progress.slices).toEqual({ total: 10, stored: 3, inFlight: 0, retrying: 0 });
  });
});

describe('options', () => {
  test('every issue is reported at once', () => {
    const { start } = setUp({});
    const bad = {
      endpoint: 'ftp://x',
      bucket: '',
      path: 'a//b',
      sliceSize: 1,
      concurrency: 0,
      integrity: 'crc' as never,
    };
    expect(() => start(bad)).toThrowError(expect.objectContaining({ code: 'invalid-options' }));
    try {
      start(bad);
    } catch (error) {
      const options = (error as CosSliceError).issues?.map((issue) => issue.option);
      expect(options).toEqual(
        expect.arrayContaining(['endpoint', 'bucket', 'path', 'sliceSize', 'concurrency', 'integrity']),
      );
    }
  });

  test.each([
    'a?b',
    'a*b',
    'a:b',
    'a|b',
    'a\\b',
    'a<b',
    'a>b',
    'a"b',
    'dir/',
    '',
    '/',
    '../x',
    'a/./b',
    'a\nb',
    'a\u{d800}',
  ])('the path %j is refused', (path) => {
    expect(() => setUp({}).start({ path })).toThrowError(/path/);
  });

  test('a path is percent-encoded per segment, once', async () => {
    const { start, transport, clock } = setUp({});
    await clock.runUntil(start({ path: '/目录/a b+%#&=\u{1f600}.bin' }).done);
    expect(transport.requests[0]?.url).toBe(
      'http://cos.test/files/v2/10055004/demobucket/%E7%9B%AE%E5%BD%95/a%20b%2B%25%23%26%3D%F0%9F%98%80.bin',
    );
  });
});

test('an upload that has ended leaves no timer behind', async () => {
  const { start, clock } = setUp({ options: { integrity: 'sha1' } });
  await clock.runUntil(start().done);
  expect(clock.sleepers).toBe(0);
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

  test('a session that is gone at finish, with nothing at the path, is opened again, once', async () => {
    const { start, transport, clock } = setUp({
      answer: ({ fields }) => (fields.op === 'upload_slice_finish' ? refuse(-197, 404) : undefined),
    });
    expect(await clock.runUntil(code(start().done))).toBe('session-lost');
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
    expect(transport.transcript.length).toBeLessThan(12);
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
