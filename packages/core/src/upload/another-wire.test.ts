import { createHmac } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { createUpload } from '../index.ts';
import type { UploadOptions } from '../options/options.ts';
import type { Authorizer, ByteRange, ResumeRecord, ResumeStore, Source, WireRequest } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Operation, Reply, StoredRange } from '../protocol/operations.ts';
import { failed, foreignResponse, isPassing } from '../protocol/responses.ts';
import type { Wire } from '../protocol/wire.ts';
import {
  createManualClock,
  createScriptedTransport,
  type ScriptedReply,
  type ScriptedRequest,
} from '../testing/index.ts';

/**
 * A wire that has nothing of the JSON API's: bodies are bytes and texts, parts have numbers and tags, the client chooses how
 * large they are, every request is signed by itself, codes are words, and what is unfinished is found by its session only.
 */
const toy: Wire = {
  name: 'toy',
  traits: {
    sliceSize: { default: 1000, min: 100, max: 5000, step: 1, chosenBy: 'client' },
    maxParts: 20,
    maxSingleBytes: 500,
    integrity: ['none'],
    detectsUnfinished: false,
    tagsSlices: true,
    signatureCovers: 'request',
  },
  check: () => [],
  locate: ({ endpoint, bucket, path }) => `${endpoint}/${bucket}/${path}`,
  encode<C>(operation: Operation<C>, at: string): WireRequest<C> {
    switch (operation.op) {
      case 'init':
        return { method: 'POST', url: `${at}?uploads` };
      case 'list':
        return { method: 'GET', url: operation.session ? `${at}?upload=${operation.session}` : at };
      case 'slice': {
        const { content, index, range, session } = operation;
        const body = { name: '', body: content, sizeBytes: range.length };
        return { method: 'PUT', url: `${at}?upload=${session}&part=${index + 1}`, content: body };
      }
      case 'finish':
        return { method: 'POST', url: `${at}?upload=${operation.session}`, text: operation.tags?.join('\n') ?? '' };
      case 'single':
        return {
          method: 'PUT',
          url: at,
          content: { name: '', body: operation.content, sizeBytes: operation.sizeBytes },
        };
      case 'discard':
        return { method: 'DELETE', url: `${at}?upload=${operation.session}` };
    }
  },
  attach: (request) => request,
  effectOf: () => 'multi',
  decode<C>(operation: Operation<C>, response: Parameters<Wire['decode']>[1]): Reply<never> {
    return decodeToy(operation, response) as Reply<never>;
  },
};

function decodeToy<C>(operation: Operation<C>, response: Parameters<Wire['decode']>[1]): Reply {
  const { status, body } = response;
  const location = { accessUrl: 'http://toy/object', sourceUrl: '', url: '', resourcePath: '' };
  if (status === 200) {
    switch (operation.op) {
      case 'init':
        return { kind: 'opened', session: body, sliceSizeBytes: operation.sliceSizeBytes, serial: false };
      case 'list': {
        const { session, sliceSizeBytes } = operation;
        if (session === undefined || sliceSizeBytes === undefined) return { kind: 'present', location };
        const stored = body
          .split('\n')
          .filter(Boolean)
          .map((line): StoredRange => {
            const [part, length, tag] = line.split(' ');
            return { offset: (Number(part) - 1) * sliceSizeBytes, length: Number(length), tag };
          });
        return { kind: 'listed', session, sliceSizeBytes, serial: false, stored };
      }
      case 'slice':
        return { kind: 'stored', tag: response.header('etag') };
      case 'discard':
        return { kind: 'discarded' };
      default:
        return { kind: 'present', location };
    }
  }
  if (!/^[A-Z]\w+$/.test(body)) return foreignResponse(response);
  const passing = isPassing(response);
  const { error } = failed(response, passing ? 'unavailable' : 'bad-request', `the toy says ${body}`, {
    wireCode: body,
    remedy: passing ? 'backoff' : 'none',
  });
  if (body === 'NoSuchUpload') {
    if (operation.op === 'list') return { kind: 'absent' };
    if (operation.op === 'slice' || operation.op === 'finish') return { kind: 'session-gone', error };
  }
  if (body === 'Exists') return failed(response, 'exists', 'it is there', { wireCode: body, remedy: 'none' });
  if (body === 'NoSuchObject' && operation.op === 'list') return { kind: 'absent' };
  if (body === 'InvalidPart' && operation.op === 'finish') return { kind: 'incomplete', error };
  return { kind: 'failed', error };
}

const sign = ({
  method,
  url,
  text,
  content,
}: {
  method: string;
  url: string;
  text?: string | undefined;
  content?: unknown;
}): string =>
  createHmac('sha256', 'toy key')
    .update(`${method} ${url} ${text ?? ''} ${content === undefined ? '' : 'body'}`)
    .digest('hex');

const authorizer: Authorizer = {
  authorize: async (request) => ({ ...request, authorization: { value: `TOY ${sign(request)}` } }),
};

/** The other side. */
function createToyServer() {
  const uploads = new Map<string, Map<number, Uint8Array>>();
  const objects = new Map<string, Uint8Array>();
  const tagOf = (bytes: Uint8Array): string => createHmac('sha256', 'tag').update(bytes).digest('hex').slice(0, 16);
  const say = (text: string, status = 200, headers = {}): ScriptedReply => ({ status, headers, text });

  const answer = (request: ScriptedRequest<Uint8Array>): ScriptedReply => {
    const { method, url, text, content, signature } = request;
    if (signature !== `TOY ${sign(request)}`) return say('SignatureDoesNotMatch', 403);
    const { pathname, searchParams } = new URL(url);
    const id = searchParams.get('upload');
    const part = Number(searchParams.get('part'));
    if (searchParams.has('uploads')) {
      const name = `u${uploads.size + 1}`;
      uploads.set(name, new Map());
      return say(name);
    }
    if (id === null) {
      if (method === 'PUT') objects.set(pathname, content ?? new Uint8Array());
      return objects.has(pathname) ? say('') : say('NoSuchObject', 404);
    }
    const parts = uploads.get(id);
    if (!parts) return say('NoSuchUpload', 404);
    switch (method) {
      case 'PUT':
        parts.set(part, content ?? new Uint8Array());
        return say('', 200, { ETag: tagOf(content ?? new Uint8Array()) });
      case 'GET':
        return say([...parts].map(([number, bytes]) => `${number} ${bytes.length} ${tagOf(bytes)}`).join('\n'));
      case 'DELETE':
        uploads.delete(id);
        return say('');
      default: {
        const tags = (text ?? '').split('\n');
        const bytes = tags.map((tag, index) => {
          const stored = parts.get(index + 1);
          return stored && tagOf(stored) === tag ? stored : undefined;
        });
        if (bytes.length !== parts.size || bytes.includes(undefined)) return say('InvalidPart', 400);
        uploads.delete(id);
        objects.set(pathname, Buffer.concat(bytes as Uint8Array[]));
        return say('');
      }
    }
  };
  return { answer, uploads, objects };
}

const CONTENT = Uint8Array.from({ length: 10_500 }, (_, index) => (index * 131 + (index >> 8) * 17) & 255);
const PATH = '/demo/dir/name.bin';

let server: ReturnType<typeof createToyServer>;
let records: Map<string, ResumeRecord>;
beforeEach(() => {
  server = createToyServer();
  records = new Map();
});

function setUp(
  options: Partial<UploadOptions> = {},
  answer: (request: ScriptedRequest<Uint8Array>, index: number) => ScriptedReply = (request) => server.answer(request),
  content: Uint8Array = CONTENT,
  onStored?: (range: ByteRange) => void,
) {
  const clock = createManualClock();
  const transport = createScriptedTransport<Uint8Array>(answer);
  const source: Source<Uint8Array> = {
    sizeBytes: content.length,
    slice: async ({ offset, length }) => content.subarray(offset, offset + length),
    identity: async () => 'content-1',
    ...(onStored && { stored: onStored }),
  };
  const resume: ResumeStore = {
    load: async (key) => records.get(key),
    save: async (key, record) => void records.set(key, record),
    remove: async (key) => void records.delete(key),
  };
  const never = (): never => {
    throw new Error('nothing is hashed here');
  };
  const start = () =>
    createUpload(
      async () => source,
      {
        endpoint: 'http://toy.test',
        appId: '1',
        bucket: 'demo',
        path: 'dir/name.bin',
        wire: toy,
        signer: authorizer,
        concurrency: 3,
        resume,
        ...options,
      },
      {
        transport,
        hasher: { digest: never, combine: never, uploadParts: never },
        clock,
        random: () => 0.5,
      },
    );
  return { clock, transport, start };
}

const puts = (transcript: readonly string[]): number[] =>
  transcript
    .flatMap((line) => (line.startsWith('PUT') ? [Number(/part=(\d+)/.exec(line)?.[1])] : []))
    .toSorted((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('a wire with raw bodies, tags, parts of the client’s size and signed requests', () => {
  test('carries an upload: session, numbered parts, a finish that brings their tags', async () => {
    const { start, clock, transport } = setUp();
    const result = await clock.runUntil(start().done);
    expect(transport.transcript[0]).toBe('POST ?uploads');
    expect(puts(transport.transcript)).toEqual(upTo(11));
    expect(transport.transcript.at(-1)).toBe('POST ?upload=u1');
    expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
    expect(result).toMatchObject({ accessUrl: 'http://toy/object', sentBytes: CONTENT.length, instant: false });
    expect(records.size).toBe(0);
  });

  test('has larger parts where there would be too many', async () => {
    const { start, clock, transport } = setUp({ sliceSize: 100 });
    await clock.runUntil(start().done);
    // 20 at most, of 525 bytes.
    expect(puts(transport.transcript)).toEqual(upTo(20));
    expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
  });

  test('sends what is small in one raw body', async () => {
    const { start, clock, transport } = setUp({ singleRequestMax: 500 }, undefined, CONTENT.subarray(0, 500));
    await clock.runUntil(start().done);
    expect(transport.transcript).toEqual(['PUT']);
    expect(server.objects.get(PATH)).toEqual(CONTENT.subarray(0, 500));
  });

  test('goes on with the session that is remembered, and finishes with the tags of parts that another run has sent', async () => {
    const cancel = new AbortController();
    let sent = 0;
    const first = setUp({ signal: cancel.signal }, (request) => {
      sent += request.method === 'PUT' ? 1 : 0;
      if (sent === 5) cancel.abort(new Error('the process ends'));
      return server.answer(request);
    });
    await expect(first.clock.runUntil(first.start().done)).rejects.toThrow('the process ends');
    expect([...records.values()]).toMatchObject([{ wire: 'toy', session: 'u1', sliceSizeBytes: 1000 }]);
    const stored = [...(server.uploads.get('u1')?.keys() ?? [])];
    expect(stored.length).toBeGreaterThanOrEqual(3);

    const second = setUp({ sliceSize: 1000 });
    const result = await second.clock.runUntil(second.start().done);
    expect(second.transport.transcript[0]).toBe('GET ?upload=u1');
    expect(puts(second.transport.transcript)).toEqual(upTo(11).filter((part) => !stored.includes(part)));
    expect(result.resumedBytes).toBe(stored.length * 1000);
    expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
  });

  test('starts over when the remembered session is gone, or is of another wire', async () => {
    const record = {
      version: 1,
      identity: 'content-1',
      sizeBytes: CONTENT.length,
      sliceSizeBytes: 1000,
      savedAtMs: 0,
    } as const;
    for (const more of [{ wire: 'toy', session: 'u99' }, { wire: jsonApi.name, session: 'u1' }, { session: 'u1' }]) {
      server = createToyServer();
      records.set('http://toy.test/demo/dir/name.bin', { ...record, ...more });
      const { start, clock, transport } = setUp();
      await clock.runUntil(start().done);
      expect(transport.transcript.includes('GET ?upload=u99')).toBe(more.session === 'u99');
      expect(puts(transport.transcript)).toEqual(upTo(11));
      expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
    }
  });

  test.each([
    ['is removed: nobody else would find it', 200],
    ['stays where it may not be removed', 403],
  ])('a session that it has left with other content %s', async (_what, status) => {
    server.uploads.set('u0', new Map([[1, CONTENT.subarray(0, 1000)]]));
    const remembered = { version: 1, wire: 'toy', identity: 'content-0', session: 'u0', savedAtMs: 0 } as const;
    const key = 'http://toy.test/demo/dir/name.bin';
    records.set(key, { ...remembered, sizeBytes: CONTENT.length, sliceSizeBytes: 1000 });
    const { start, clock, transport } = setUp({}, (request) =>
      request.method === 'DELETE' && status !== 200 ? { status, text: 'AccessDenied' } : server.answer(request),
    );
    const result = await clock.runUntil(start().done);
    expect(transport.transcript.slice(0, 2)).toEqual(['DELETE ?upload=u0', 'POST ?uploads']);
    expect(result).toMatchObject({ resumedBytes: 0, sentBytes: CONTENT.length });
    expect([...server.uploads.keys()]).toEqual(status === 200 ? [] : ['u0']);
    expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
  });

  test.each(['skip', 'rename'] as const)(
    'with overwrite %s, the session of a name that somebody else has taken is removed',
    async (overwrite) => {
      const { start, clock, transport } = setUp({ overwrite }, (request) => {
        const isFinish = request.method === 'POST' && request.url.includes('/name.bin?upload=');
        if (!isFinish) return server.answer(request);
        server.objects.set(PATH, new Uint8Array(7));
        return { status: 409, text: 'Exists' };
      });
      const result = await clock.runUntil(start().done);
      const path = overwrite === 'skip' ? 'dir/name.bin' : 'dir/name (1).bin';
      expect(result).toMatchObject({ path, skipped: overwrite === 'skip' });
      expect(transport.requests.filter(({ method }) => method === 'DELETE').map(({ url }) => url)).toEqual([
        `http://toy.test${PATH}?upload=u1`,
      ]);
      expect([...server.uploads.keys()]).toEqual([]);
      expect(server.objects.get(PATH)).toEqual(new Uint8Array(7));
    },
  );

  test('survives lost requests, lost answers, a server that is busy and one that forgets the session', async () => {
    const seen = new Map<string, number>();
    const { start, clock } = setUp({ retry: { attempts: 20 } }, (request, index) => {
      const key = `${request.method} ${request.url}`;
      const times = (seen.get(key) ?? 0) + 1;
      seen.set(key, times);
      if (times === 1 && index % 3 === 0) return { status: 503, text: 'SlowDown' };
      if (index === 9) server.uploads.clear();
      const reply = server.answer(request);
      return times === 1 && index % 3 === 1 && request.method === 'PUT'
        ? { status: 502, text: '<h1>proxy</h1>' }
        : reply;
    });
    await clock.runUntil(start().done);
    expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
  });

  test('finish is refused for a part that is not what it was: the list tells, and it goes out again', async () => {
    let spoilt = false;
    const { start, clock, transport } = setUp({}, (request) => {
      if (request.method === 'POST' && request.url.includes('upload=') && !spoilt) {
        spoilt = true;
        server.uploads.get('u1')?.delete(4);
      }
      return server.answer(request);
    });
    await clock.runUntil(start().done);
    expect(puts(transport.transcript)).toEqual([...upTo(11), 4].toSorted((a, b) => a - b));
    expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
  });

  test('parts of other sizes than were planned, and those behind the end, are not taken for slices of this upload', async () => {
    const record = { version: 1, wire: 'toy', identity: 'content-1', sizeBytes: CONTENT.length, savedAtMs: 0 } as const;
    records.set('http://toy.test/demo/dir/name.bin', { ...record, session: 'u1', sliceSizeBytes: 1000 });
    const right = (part: number): Uint8Array => CONTENT.subarray((part - 1) * 1000, part * 1000);
    const parts = new Map([
      [1, right(1)],
      // Covers the next two, too.
      [2, CONTENT.subarray(1000, 4000)],
      [4, right(4)],
      [5, right(5).subarray(1)],
      [7, right(7)],
      [11, CONTENT.subarray(10_000, 10_499)],
    ]);
    server.uploads.set('u1', parts);
    const told: number[] = [];
    const { start, clock, transport } = setUp({ sliceSize: 1000 }, undefined, CONTENT, ({ offset }) =>
      told.push(offset),
    );
    const result = await clock.runUntil(start().done);
    expect(puts(transport.transcript)).toEqual([2, 3, 5, 6, 8, 9, 10, 11]);
    expect(result.resumedBytes).toBe(3000);
    // What is kept for another attempt must not be given up for what is no slice.
    expect(told.slice(0, 3)).toEqual([0, 3000, 6000]);
    expect(server.objects.get(PATH)).toEqual(Buffer.from(CONTENT));
  });

  test('a refusal keeps its word for a code', async () => {
    const { start, clock } = setUp({ signer: { authorize: async (request) => request } });
    await expect(clock.runUntil(start().done)).rejects.toMatchObject({
      wireCode: 'SignatureDoesNotMatch',
      httpStatus: 403,
    });
  });

  test('needs somebody who signs requests', () => {
    expect(() => setUp({ signer: () => 'c2ln' }).start()).toThrowError(/signer must be an authorizer/);
  });
});
