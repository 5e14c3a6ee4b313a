import { describe, expect, test, vi } from 'vitest';
import { createLimiter } from '../batch/limiter.ts';
import { CosSliceError } from '../errors.ts';
import type { ByteRange, Hasher, ResumeStore } from '../ports.ts';
import { createScriptedTransport, type ScriptedRequest } from '../testing/scripted-transport.ts';
import { code, FOUND, happy, memoryStore, ok, refuse, SHA, SLICE, sends, setUp } from '../testing/setting.ts';
import { createUpload } from './create-upload.ts';

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
      path: 'dir/name.bin',
      instant: false,
      skipped: false,
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

describe('signatures', () => {
  test('one for the whole upload, however many slices ask at once', async () => {
    const { start, clock, claims, transport } = setUp({ options: { concurrency: 8 } });
    await clock.runUntil(start().done);
    expect(claims).toHaveLength(1);
    expect(claims[0]).toMatchObject({ appId: '10055004', bucket: 'demobucket', path: 'dir/name.bin', effect: 'multi' });
    expect(new Set(transport.requests.map((request) => request.signature)).size).toBe(1);
  });

  test.each([-59, -96])('refreshed once on %i, by the clock of the reply', async (expired) => {
    const serverNow = Date.parse('Sun, 13 Sep 2020 10:26:40 GMT');
    const { start, clock, claims, transport } = setUp({
      options: { concurrency: 4 },
      answer: ({ fields, signature }) =>
        fields.op === 'upload_slice_data' && signature === transport.requests[0]?.signature
          ? refuse(expired, 403, { Date: 'Sun, 13 Sep 2020 10:26:40 GMT' })
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
      {
        transport: createScriptedTransport(() => 'hang'),
        hasher: {} as Hasher<ByteRange>,
        clock,
      },
    );
    const phases: string[] = [];
    upload.subscribe((state) => phases.push(state.phase));
    const error = await clock.runUntil(upload.done.catch((failure) => failure));
    expect(error).toMatchObject({
      code: 'source-unreadable',
      message: 'opening the source failed: ENOENT: no such file',
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
