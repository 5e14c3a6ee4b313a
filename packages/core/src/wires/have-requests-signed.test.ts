import { describe, expect, test } from 'vitest';
import { parseOptions } from '../options/options.ts';
import type { Authorizer, RequestSigner, RequestToSign, SignClaim, WireRequest } from '../ports.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';
import { remoteCredentials } from '../signing/remote-credentials.ts';
import { remoteSigner } from '../signing/remote-signer.ts';
import { createManualClock, type ManualClock } from '../testing/manual-clock.ts';
import { cosXml } from './cos-xml.ts';
import { s3 } from './s3.ts';

const PLACE = { region: 'ap-shanghai', bucket: 'films', appId: '10055004' };
const COS = cosXml(PLACE);
const S3 = s3({ endpoint: 'http://127.0.0.1:7480', bucket: 'films' });
const KEY = 'a b/腾.mp4';

interface Setting {
  readonly clock: ManualClock;
  /** What was asked, question by question. */
  readonly questions: readonly (readonly RequestToSign[])[];
  readonly signer: RequestSigner;
  make(): Authorizer;
  send(authorizer: Authorizer, request: WireRequest<null>, more?: Partial<SignClaim>): Promise<WireRequest<null>>;
}

/** A signer whose answers tell which question they came of, and are good for ten minutes. */
function setUp(wire: XmlWire, answer?: (requests: readonly RequestToSign[], signal: AbortSignal) => unknown): Setting {
  const clock = createManualClock();
  const questions: (readonly RequestToSign[])[] = [];
  const signer: RequestSigner = {
    async signRequests(requests, signal) {
      questions.push([...requests]);
      if (answer) return (await answer(requests, signal)) as never;
      return requests.map(() => ({
        headers: { Authorization: `q${questions.length}`, 'X-Own': '1' },
        expiresInSec: 600,
      }));
    },
  };
  return {
    clock,
    questions,
    signer,
    make() {
      const made = wire.authorizer?.(signer, { clock, timeoutMs: 40_000 });
      if (!made) throw new Error('no authorizer');
      return made;
    },
    send(authorizer, request, more = {}) {
      const claim = { appId: '', bucket: '', path: KEY, effect: 'multi', nowSec: 0, ...more } as const;
      return clock.runUntil(authorizer.authorize(request, claim, new AbortController().signal));
    },
  };
}

const at = (wire: XmlWire): string => wire.locate({ endpoint: '', appId: '', bucket: '', path: KEY });
/** A part of an object in parts of 5 bytes. */
function part(wire: XmlWire, number: number, sizeBytes: number): WireRequest<null> {
  const before = (number - 1) * 5;
  return wire.encode(
    {
      op: 'slice',
      session: 'u',
      index: number - 1,
      range: { offset: before, length: Math.min(5, sizeBytes - before) },
      sizeBytes,
      content: null,
    },
    at(wire),
  );
}
const numbersOf = (question: readonly RequestToSign[] | undefined) => question?.map(({ query }) => query.partNumber);

describe('on COS', () => {
  test('one signature serves all parts of an upload, and is asked for as what it covers', async () => {
    const { make, send, questions } = setUp(COS);
    const authorizer = make();
    for (let number = 1; number <= 500; number += 1) {
      const sent = await send(authorizer, part(COS, number, 2500));
      expect(sent).toMatchObject({ authorization: { value: 'q1' }, headers: { 'X-Own': '1' } });
      expect(sent.url).toBe(`${at(COS)}?partNumber=${number}&uploadId=u`);
    }
    const covered = { method: 'PUT', bucket: 'films-10055004', key: KEY, query: { uploadId: 'u' }, headers: {} };
    expect(questions).toEqual([[covered]]);
    expect(authorizer.asked).toBe(1);
  });

  test('a URL that was signed without the number of the part gets it', async () => {
    const { make, send } = setUp(COS, () => [{ url: 'https://cdn.test/x?uploadId=u&q-signature=1', expiresInSec: 60 }]);
    const { url, authorization } = await send(make(), part(COS, 7, 500));
    expect(url).toBe('https://cdn.test/x?uploadId=u&q-signature=1&partNumber=7');
    expect(authorization).toBeUndefined();
  });

  test('strict: each part is covered with its number and length, those that follow with it', async () => {
    const strict = cosXml({ ...PLACE, strict: true });
    const { make, send, questions } = setUp(strict);
    await send(make(), part(strict, 1, 12));
    expect(questions[0]?.map(({ query, headers }) => ({ ...query, ...headers }))).toEqual([
      { partNumber: '1', uploadId: 'u', 'content-length': '5' },
      { partNumber: '2', uploadId: 'u', 'content-length': '5' },
      { partNumber: '3', uploadId: 'u', 'content-length': '2' },
    ]);
  });

  test('strict: what is covered with its MD5 is asked for by itself', async () => {
    const strict = cosXml({ ...PLACE, strict: true });
    const { make, send, questions } = setUp(strict);
    await send(make(), { ...part(strict, 1, 500), headers: { 'Content-MD5': 'x==' } });
    expect(questions[0]).toHaveLength(1);
    expect(questions[0]?.[0]?.headers).toEqual({ 'content-length': '5', 'content-md5': 'x==' });
  });
});

describe('on S3', () => {
  test('parts are asked for 32 at a time, each once, the last one with its own length', async () => {
    const { make, send, questions } = setUp(S3);
    const authorizer = make();
    for (let number = 1; number <= 100; number += 1) await send(authorizer, part(S3, number, 498));
    expect(questions.map((one) => one.length)).toEqual([32, 32, 32, 4]);
    const numbers = questions.flatMap(numbersOf);
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => String(index + 1)));
    const query = { partNumber: '100', uploadId: 'u' };
    expect(questions.at(-1)?.at(-1)).toMatchObject({ query, headers: { 'content-length': '3' } });
    expect(authorizer.asked).toBe(100);
  });

  test('a retry needs no signature, and an MD5 that goes along is not covered', async () => {
    const { make, send, questions } = setUp(S3);
    const authorizer = make();
    const request = { ...part(S3, 1, 5), headers: { 'Content-MD5': 'x==', 'If-None-Match': '*' } };
    const sent = await send(authorizer, request);
    expect(sent.headers).toMatchObject(request.headers);
    await send(authorizer, request);
    expect(questions).toHaveLength(1);
    expect(questions[0]?.[0]?.headers).toEqual({ 'content-length': '5', 'if-none-match': '*' });
  });

  test('uploads that begin together ask together', async () => {
    const { make, clock, questions } = setUp(S3);
    const claim = { appId: '', bucket: '', path: '', effect: 'multi', nowSec: 0 } as const;
    const asking = Array.from({ length: 40 }, (_, index) => {
      const request = { method: 'POST', url: `${S3.bucketUrl}${index}?uploads` };
      return make().authorize(request, claim, new AbortController().signal);
    });
    await clock.runUntil(Promise.all(asking));
    expect(questions.map((one) => one.length)).toEqual([32, 8]);
    expect(questions[0]?.[7]).toEqual({
      method: 'POST',
      bucket: 'films',
      key: '7',
      query: { uploads: '' },
      headers: {},
    });
  });

  test('another bucket is not signed for', async () => {
    const { make, send } = setUp(S3);
    const asking = send(make(), { method: 'PUT', url: 'http://127.0.0.1:7480/other/k' });
    await expect(asking).rejects.toMatchObject({ code: 'signing-failed', remedy: 'none' });
  });
});

describe('signatures', () => {
  test('are asked for anew shortly before they expire, by a clock that nobody sets', async () => {
    const { make, send, clock, questions } = setUp(COS);
    const authorizer = make();
    await send(authorizer, part(COS, 1, 500));
    clock.jump(-86_400_000);
    await clock.advance(530_000);
    await send(authorizer, part(COS, 2, 500));
    expect(questions).toHaveLength(1);
    await clock.advance(20_000);
    await send(authorizer, part(COS, 3, 500));
    expect(questions).toHaveLength(2);
  });

  test('that a server has refused are not used again, nor those that came with them or before', async () => {
    const { make, send, questions } = setUp(S3);
    const authorizer = make();
    const first = await send(authorizer, part(S3, 1, 500));
    expect(questions[0]).toHaveLength(32);
    const refused = first.authorization?.value;
    const second = await send(authorizer, part(S3, 2, 500), { refused });
    expect(second.authorization?.value).toBe('q2');
    // Still known as the last one that was refused.
    await send(authorizer, part(S3, 3, 500), { refused });
    expect(questions).toHaveLength(2);
  });

  test('in a URL are known again when that is refused', async () => {
    let count = 0;
    const { make, send } = setUp(COS, () => [{ url: `https://h/k?s=${++count}`, expiresInSec: 600 }]);
    const authorizer = make();
    const { url } = await send(authorizer, part(COS, 1, 500));
    expect((await send(authorizer, part(COS, 2, 500), { refused: url })).url).toBe('https://h/k?s=2&partNumber=2');
  });

  test('that have failed twice without a reason are not used a third time', async () => {
    const { make, send, questions } = setUp(S3);
    const authorizer = make();
    const values: (string | undefined)[] = [];
    for (const number of [1, 1, 2, 1, 1, 1]) {
      values.push((await send(authorizer, part(S3, number, 500))).authorization?.value);
    }
    expect(values).toEqual(['q1', 'q1', 'q1', 'q2', 'q2', 'q3']);
    for (let range = 0; range < 5; range += 1) await send(authorizer, { method: 'GET', url: at(S3) });
    expect(questions).toHaveLength(4);
  });

  test('that nobody waits for any more are given up', async () => {
    let told: AbortSignal | undefined;
    const { make, clock } = setUp(S3, (_requests, signal) => {
      told = signal;
      return new Promise(() => {});
    });
    const life = new AbortController();
    const claim = { appId: '', bucket: '', path: '', effect: 'multi', nowSec: 0 } as const;
    const asking = make().authorize(part(S3, 1, 500), claim, life.signal);
    asking.catch(() => {});
    await clock.advance(10);
    expect(told?.aborted).toBe(false);
    life.abort('enough');
    await expect(asking).rejects.toBe('enough');
    await clock.settle();
    expect(told?.aborted).toBe(true);
    expect(clock.sleepers).toBe(0);
  });

  test('are waited for no longer than it is worth, and then again', async () => {
    let hangs = true;
    const { make, send, clock } = setUp(S3, (requests) =>
      hangs ? new Promise(() => {}) : requests.map(() => ({ headers: { Authorization: 'x' }, expiresInSec: 60 })),
    );
    const authorizer = make();
    const late = await send(authorizer, part(S3, 1, 500)).catch((error) => error);
    expect(late).toMatchObject({ code: 'signing-failed', remedy: 'backoff' });
    hangs = false;
    await send(authorizer, part(S3, 1, 500));
    await clock.settle();
    expect(clock.sleepers).toBe(0);
  });

  const GARBAGE: readonly [name: string, answer: unknown][] = [
    ['nothing', undefined],
    ['no list', { signed: [] }],
    ['too few', []],
    ['too many', [1, 2].map(() => ({ headers: { a: 'b' }, expiresInSec: 1 }))],
    ['an answer without url and headers', [{ expiresInSec: 60 }]],
    ['no life', [{ headers: { Authorization: 'x' } }]],
    ['a life that is none', [{ headers: { Authorization: 'x' }, expiresInSec: Number.NaN }]],
    ['a relative URL', [{ url: '/k?s=1', expiresInSec: 60 }]],
    ['a URL of a script', [{ url: 'javascript:alert(1)', expiresInSec: 60 }]],
    ['a header that ends the header', [{ headers: { Authorization: 'x\r\nHost: y' }, expiresInSec: 60 }]],
    ['a name that is none', [{ headers: { 'a b': 'x' }, expiresInSec: 60 }]],
    ['a number for a header', [{ headers: { a: 1 }, expiresInSec: 60 }]],
    ['null', [null]],
  ];
  test.each(GARBAGE)('that are none, such as %s, are a typed error at once', async (_name, answer) => {
    const { make, send, questions } = setUp(COS, () => answer);
    const error = await send(make(), part(COS, 1, 500)).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'signing-failed', remedy: 'none' });
    expect(questions).toHaveLength(1);
  });

  test('that are refused are told with the reason, in one line', async () => {
    const { make, send } = setUp(COS, () => [{ refused: 'not\nyours' }]);
    await expect(send(make(), part(COS, 1, 500))).rejects.toMatchObject({
      code: 'signing-failed',
      remedy: 'none',
      message: 'the signer refuses PUT of "a b/腾.mp4": not yours',
    });
  });

  test('for parts to come may be refused without harm to the one that is wanted', async () => {
    const { make, send, questions } = setUp(S3, (requests) =>
      requests.map((_, index) => (index === 0 ? { url: 'http://h/k?s=1', expiresInSec: 60 } : { refused: 'no' })),
    );
    const authorizer = make();
    await send(authorizer, part(S3, 1, 500));
    await send(authorizer, part(S3, 2, 500));
    expect(questions.map((one) => numbersOf(one)?.[0])).toEqual(['1', '2']);
  });

  test('for a URL that is handed on have to be in it', async () => {
    const inUrl = setUp(S3, () => [{ url: 'http://h/k?s=1', expiresInSec: 60 }]);
    const inHeader = setUp(S3);
    const request = { method: 'GET', url: at(S3) };
    const claim = { appId: '', bucket: '', path: '', effect: 'multi', nowSec: 0 } as const;
    const presign = ({ make, clock }: Setting) =>
      clock.runUntil(
        make().presign?.(request, claim, new AbortController().signal) ?? Promise.reject(new Error('none')),
      );
    expect(await presign(inUrl)).toBe('http://h/k?s=1');
    await expect(presign(inHeader)).rejects.toMatchObject({ code: 'signing-failed' });
  });
});

describe('ways to sign exclude each other', () => {
  const given = { path: 'k', resume: false } as const;
  const bySignatures = remoteSigner('http://h/sign');
  const byCredentials = remoteCredentials('http://h/sts');

  test.each([
    ['credentials of an endpoint', byCredentials],
    ['signatures of an endpoint', bySignatures],
    ['lasting credentials', { secretId: 'a', secretKey: 'b' }],
    ['an authorizer', { authorize: async <R>(request: R) => request }],
  ])('one is enough: %s', (_name, signer) => {
    for (const wire of [COS, S3]) expect(() => parseOptions({ ...given, wire, signer })).not.toThrow();
  });

  test.each([
    ['credentials and signatures', { ...byCredentials, ...bySignatures }, 'credentials and signatures for requests'],
    [
      'keys and signatures',
      { secretId: 'a', secretKey: 'b', ...bySignatures },
      'credentials and signatures for requests',
    ],
    [
      'signatures and an authorizer',
      { ...bySignatures, authorize: async <R>(request: R) => request },
      'signatures for requests and an authorizer',
    ],
  ])('two are a typed error: %s', (_name, signer, said) => {
    for (const wire of [COS, S3]) {
      expect(() => parseOptions({ ...given, wire, signer })).toThrowError(
        expect.objectContaining({
          code: 'invalid-options',
          issues: [{ option: 'signer', message: expect.stringContaining(`and not ${said} at once`) }],
        }),
      );
    }
  });

  test('the same signer is one of the JSON API', () => {
    const place = { endpoint: 'http://h/files/v2', appId: '1', bucket: 'b' };
    expect(() => parseOptions({ ...given, ...place, signer: bySignatures })).not.toThrow();
  });
});
