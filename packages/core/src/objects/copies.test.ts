import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { ByteRange } from '../ports.ts';
import { cosXmlWire } from '../protocol/cos-xml/index.ts';
import { s3Wire } from '../protocol/s3/index.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { createScriptedTransport, type ScriptedReply } from '../testing/scripted-transport.ts';
import { code } from '../testing/setting.ts';
import { createObjectClient } from './client.ts';

// Copies and moves on servers that know no move: what becomes of them when answers get lost.

const GIB = 1024 ** 3;
const MD5 = { a: 'a'.repeat(32), b: 'b'.repeat(32) };
const CEPH = s3Wire({ endpoint: 'http://s3.test', bucket: 'films', profile: 'ceph' });
const AWS = s3Wire({ endpoint: 'http://s3.test', bucket: 'films', profile: 'aws' });
const COS = cosXmlWire({ endpoint: 'http://s3.test', region: 'sh', bucket: 'films', appId: '10055004' });

/** What a server tells of an object in its headers. */
type Told = Readonly<Record<string, string>>;
const object = (told: Told, sizeBytes = 5): Told => ({ 'content-length': String(sizeBytes), ...told });
const lost = (): Error => new CosSliceError('network', 'broken', { remedy: 'backoff' });
const xml = (text: string): ScriptedReply => ({ text });
const refused = (status: number, name: string): ScriptedReply => ({
  status,
  text: `<Error><Code>${name}</Code></Error>`,
});

interface Setting {
  readonly objects: Map<string, Told>;
  /** Instead of the answer to a request that has been carried out. */
  readonly spoil?: (line: string, index: number) => ScriptedReply | undefined;
  readonly copied?: (source: Told) => Told;
  readonly wire?: XmlWire;
}

function setUp({ objects, spoil, copied = (source) => source, wire = CEPH }: Setting) {
  const clock = createManualClock();
  const done: string[] = [];
  const transport = createScriptedTransport<ByteRange>(({ method, url, headers }) => {
    const key = new URL(url).pathname.split('/').at(-1) ?? '';
    const [forbidding = ''] = ['If-None-Match', 'x-cos-forbid-overwrite'].filter((name) => name in headers);
    const line = [method, key, forbidding].join(' ').trim();
    done.push(line);
    const answer = (): ScriptedReply => {
      const there = objects.get(key);
      if (method === 'HEAD') return there ? { headers: there, text: '' } : { status: 404, text: '' };
      if (method === 'DELETE') objects.delete(key);
      if (method !== 'PUT') return { status: 204, text: '' };
      if (forbidding && there) return refused(409, 'FileAlreadyExists');
      const source = Object.values(headers).find((value) => value.endsWith('/a'));
      objects.set(key, copied((source && objects.get('a')) || {}));
      return xml('<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>');
    };
    const given = answer();
    return spoil?.(line, done.length - 1) ?? given;
  });
  const signer = { authorize: async <T>(request: T) => request };
  const client = createObjectClient<ByteRange>({ wire, signer }, { transport, clock, random: () => 0.5 });
  return { client, clock, done };
}

/** Loses the first answer to such a request. */
function losing(wanted: string): (line: string) => ScriptedReply | undefined {
  let isOver = false;
  return (line) => {
    if (isOver || !line.startsWith(wanted)) return undefined;
    isOver = true;
    return lost() as ScriptedReply;
  };
}

const PROOFS: readonly (readonly [string, XmlWire, Told])[] = [
  ['MD5', CEPH, { etag: `"${MD5.a}"` }],
  ['ETag of the same parts', CEPH, { etag: `"${MD5.a}-3"` }],
  ['CRC-64', COS, { etag: `"${MD5.a}-3"`, 'x-cos-hash-crc64ecma': '123' }],
  ['CRC-64 that is asked for', AWS, { etag: `"${MD5.a}-3"`, 'x-amz-checksum-crc64nvme': 'AAAAAAAAAHs=' }],
];

test.each(PROOFS)(
  'a copy that was not heard of is known by its %s, and a move goes on from there',
  async (_, wire, told) => {
    for (const op of ['copy', 'move'] as const) {
      const objects = new Map([['a', object(told)]]);
      const { client, clock, done } = setUp({ objects, wire, spoil: losing('PUT') });
      await clock.runUntil(client[op]('a', 'b'));
      expect([...objects.keys()]).toEqual(op === 'copy' ? ['a', 'b'] : ['b']);
      expect(done.filter((line) => line.startsWith('PUT'))).toHaveLength(1);
    }
  },
);

test.each([
  ['another MD5', CEPH, { etag: `"${MD5.b}"` }],
  ['another size', CEPH, { etag: `"${MD5.a}"`, 'content-length': '6' }],
  ['an ETag that says nothing of bytes', COS, { etag: `"${MD5.a}-3"` }],
])('what is at the target with %s is not taken for the copy, and the source stays', async (_, wire, told) => {
  const copied = () => object(told);
  const source = told.etag.includes('-') ? { etag: told.etag } : { etag: `"${MD5.a}"` };
  const objects = new Map([['a', object(source)]]);
  const { client, clock } = setUp({ objects, wire, copied, spoil: losing('PUT') });
  expect(await clock.runUntil(code(client.move('a', 'b')))).toBe('exists');
  expect([...objects.keys()]).toEqual(['a', 'b']);
});

test('the same content is in the way where no answer was lost', async () => {
  const told = object({ etag: `"${MD5.a}"` });
  const { client, done } = setUp({
    objects: new Map([
      ['a', told],
      ['b', told],
    ]),
  });
  expect(await code(client.move('a', 'b'))).toBe('exists');
  expect(done).toEqual(['HEAD a', 'HEAD b']);
});

test('COS is asked to keep what is there, and what it says of a copy that was sent twice is looked into', async () => {
  const told = object({ etag: `"${MD5.a}"` });
  const objects = new Map([['a', told]]);
  const refuse = (line: string) => (line.startsWith('PUT') ? refused(409, 'FileAlreadyExists') : undefined);
  const twice = setUp({ objects, wire: COS, spoil: refuse });
  await twice.clock.runUntil(twice.client.copy('a', 'b'));
  expect(twice.done).toEqual(['HEAD a', 'HEAD b', 'PUT b x-cos-forbid-overwrite', 'HEAD b']);
  const other = setUp({ objects: new Map([['a', told]]), wire: COS, copied: () => object({}), spoil: refuse });
  expect(await other.clock.runUntil(code(other.client.copy('a', 'b')))).toBe('exists');
  const replaced = setUp({ objects, wire: COS });
  await replaced.clock.runUntil(replaced.client.copy('a', 'b', { overwrite: true }));
  expect(replaced.done).toEqual(['HEAD a', 'PUT b']);
});

/** A server that copies an object in six parts, and what it has begun and not finished. */
function setUpParts(spoil: (line: string, index: number) => ScriptedReply | undefined) {
  const clock = createManualClock();
  const begun = new Set<string>();
  const done: string[] = [];
  let uploads = 0;
  const transport = createScriptedTransport<ByteRange>(({ method, url }) => {
    const { pathname, search, searchParams } = new URL(url);
    const line = `${method} ${pathname.split('/').at(-1)}${search}`;
    done.push(line);
    const answer = (): ScriptedReply => {
      if (method === 'HEAD')
        return pathname.endsWith('/a')
          ? { headers: object({ etag: '"a"' }, 6 * GIB), text: '' }
          : { status: 404, text: '' };
      const id = searchParams.get('uploadId') ?? '';
      if (search === '?uploads') {
        uploads += 1;
        begun.add(`u${uploads}`);
        return xml(`<InitiateMultipartUploadResult><UploadId>u${uploads}</UploadId></InitiateMultipartUploadResult>`);
      }
      if (method === 'PUT') return xml('<CopyPartResult><ETag>"e"</ETag></CopyPartResult>');
      begun.delete(id);
      if (method === 'DELETE') return { status: 204, text: '' };
      return xml('<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>');
    };
    return spoil(line, done.length - 1) ?? answer();
  });
  const signer = { authorize: async <T>(request: T) => request };
  const client = createObjectClient<ByteRange>({ wire: COS, signer }, { transport, clock, random: () => 0.5 });
  return { client, clock, begun, done };
}

describe('a copy in parts', () => {
  test.each<[string, ScriptedReply]>([
    ['is not heard of', lost() as ScriptedReply],
    ['is refused', refused(503, 'SlowDown')],
  ])('that is begun anew since a part %s leaves nothing behind', async (_, reply) => {
    let left = 2;
    const { client, clock, begun, done } = setUpParts((line) => {
      if (!line.includes('partNumber=2') || left === 0) return undefined;
      left -= 1;
      return reply;
    });
    await clock.runUntil(client.copy('a', 'b'));
    expect(begun.size).toBe(0);
    expect(done.filter((line) => line.startsWith('DELETE'))).toEqual(['DELETE b?uploadId=u1', 'DELETE b?uploadId=u2']);
  });

  test.each(['copy', 'move'] as const)('that is cancelled leaves nothing behind, and the source: %s', async (op) => {
    const cancelling = new AbortController();
    const { client, clock, begun, done } = setUpParts((line) => {
      if (!line.includes('partNumber=3')) return undefined;
      queueMicrotask(() => cancelling.abort('enough'));
      return 'hang';
    });
    await expect(clock.runUntil(client[op]('a', 'b', cancelling))).rejects.toBe('enough');
    expect(done.filter((line) => line.startsWith('DELETE'))).toEqual(['DELETE b?uploadId=u1']);
    expect(begun.size).toBe(0);
  });

  test('that is cancelled waits no longer than a few seconds for that', async () => {
    const cancelling = new AbortController();
    const { client, clock } = setUpParts((line) => {
      if (line.includes('partNumber=3')) queueMicrotask(() => cancelling.abort('enough'));
      return /^DELETE|partNumber=3/.test(line) ? 'hang' : undefined;
    });
    const from = clock.monotonicMs();
    await expect(clock.runUntil(client.copy('a', 'b', cancelling))).rejects.toBe('enough');
    expect(clock.monotonicMs() - from).toBeLessThanOrEqual(5000);
  });

  test('of an object that is replaced meanwhile is no copy, and leaves nothing behind', async () => {
    let looks = 0;
    const { client, clock, begun, done } = setUpParts((line) => {
      if (line === 'HEAD a') looks += 1;
      return line === 'HEAD a' && looks > 1 ? { headers: object({ etag: '"b"' }, 6 * GIB), text: '' } : undefined;
    });
    expect(await clock.runUntil(code(client.move('a', 'b')))).toBe('source-changed');
    expect(begun.size).toBe(0);
    expect(done.filter((line) => /^(POST|DELETE)/.test(line))).toEqual(['POST b?uploads', 'DELETE b?uploadId=u1']);
  });

  test('that is refused at its end leaves nothing behind', async () => {
    const isFinish = (line: string) => line.startsWith('POST b?uploadId');
    const { client, clock, begun } = setUpParts((line) =>
      isFinish(line) ? refused(409, 'FileAlreadyExists') : undefined,
    );
    expect(await clock.runUntil(code(client.copy('a', 'b')))).toBe('exists');
    expect(begun.size).toBe(0);
  });

  test('whose end is not heard of is not taken back: it may have come', async () => {
    const { client, clock, done } = setUpParts(losing('POST b?uploadId'));
    await clock.runUntil(client.copy('a', 'b'));
    expect(done.filter((line) => line.startsWith('DELETE'))).toEqual([]);
  });
});
