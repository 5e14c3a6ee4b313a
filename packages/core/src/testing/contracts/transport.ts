import { type CosSliceError, isCosSliceError } from '../../errors.ts';
import type { SendContext, Transport, WireRequest, WireResponse } from '../../ports.ts';
import { type ContractCase, check, checkEqual, patternBytes, pause, rejection } from './contract.ts';

export interface TransportSubject<C> {
  readonly transport: Transport<C>;
  /** A server that reflects and misbehaves, see `packages/testkit` of the repository. No trailing slash. */
  readonly reflectorUrl: string;
  /** Where nothing listens. */
  readonly refusedUrl: string;
  content(bytes: Uint8Array<ArrayBuffer>): C;
}

export type MakeTransport<C> = () => Promise<TransportSubject<C>>;

/** What the reflector answers. */
interface Reflection {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly bodyBytes: number;
  readonly parts: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    readonly pattern: boolean;
    readonly text?: string;
  }[];
}

const MIB = 1024 * 1024;
const SIGNATURE = 'c2lnbmF0dXJl+/YT0xJmI9Yg==';
export const AUTHORIZATION: { readonly value: string; readonly query: string } = { value: SIGNATURE, query: 'sign' };
const FIELDS = [
  ['op', 'upload_slice_data'],
  ['session', 'a-session'],
  ['offset', '1048576'],
] as const;

interface Recorder extends SendContext {
  readonly calls: ('connected' | number)[];
}

function recorder(signal: AbortSignal = new AbortController().signal): Recorder {
  const calls: ('connected' | number)[] = [];
  return {
    signal,
    connectMs: 5_000,
    calls,
    onConnected: () => calls.push('connected'),
    onSent: (totalBytes) => calls.push(totalBytes),
  };
}

function post<C>(
  { reflectorUrl, content }: TransportSubject<C>,
  path: string,
  sizeBytes: number | undefined,
  fields: readonly (readonly [string, string])[] = FIELDS,
): WireRequest<C> {
  return {
    method: 'POST',
    url: `${reflectorUrl}${path}`,
    authorization: AUTHORIZATION,
    fields,
    ...(sizeBytes === undefined
      ? {}
      : { content: { name: 'filecontent', body: content(patternBytes(sizeBytes)), sizeBytes } }),
  };
}

function reflectionOf(response: WireResponse): Reflection {
  return JSON.parse(response.body);
}

export async function failure(sending: Promise<unknown>, what: string): Promise<CosSliceError> {
  const error = await rejection(sending, what);
  check(isCosSliceError(error), `${what}: expected a CosSliceError, got ${error}`);
  const told = `${error.message} ${String(error)}`;
  check(!told.includes('\n'), `${what}: the message has several lines`);
  for (const secret of [SIGNATURE, encodeURIComponent(SIGNATURE), 'secret=1']) {
    check(!told.includes(secret), `${what}: the message has secrets in it: ${told}`);
  }
  return error;
}

/** Waits until no request is open at the reflector any more: an aborted one has to be gone from the network too. */
export async function untilQuiet<C>({ transport, reflectorUrl }: TransportSubject<C>): Promise<void> {
  const request: WireRequest<C> = { method: 'GET', url: `${reflectorUrl}/stats`, authorization: AUTHORIZATION };
  for (let left = 1000; left > 0; left -= 1) {
    const { body } = await transport.send(request, recorder());
    if (JSON.parse(body).open === 0) return;
    await pause(50);
  }
  throw new Error('the aborted request is still open at the server');
}

/** For transports of content `C`: `transportContract<Blob>()`. */
export function transportContract<C>(): readonly ContractCase<MakeTransport<C>>[] {
  return [
    {
      name: 'sends the fields in order, then the content, as one form',
      async run(makeSubject) {
        const subject = await makeSubject();
        const response = await subject.transport.send(post(subject, '/echo', 300_000), recorder());
        checkEqual(response.status, 200, 'status');
        const { method, parts } = reflectionOf(response);
        checkEqual(method, 'POST', 'method');
        checkEqual(
          parts.map(({ name, text, sizeBytes, pattern }) =>
            name === 'filecontent' ? [sizeBytes, pattern] : [name, text],
          ),
          [...FIELDS, [300_000, true]],
          'parts',
        );
      },
    },
    {
      name: 'sends a form without content',
      async run(makeSubject) {
        const subject = await makeSubject();
        const response = await subject.transport.send(post(subject, '/echo', undefined), recorder());
        const sent = reflectionOf(response).parts.map(({ name, text }) => [name, text]);
        checkEqual(sent, FIELDS, 'parts');
      },
    },
    {
      name: 'carries the signature unchanged',
      async run(makeSubject) {
        const subject = await makeSubject();
        const response = await subject.transport.send(post(subject, '/echo?op=x', undefined), recorder());
        const { headers, url } = reflectionOf(response);
        const inQuery = /[?&]sign=([^&]*)/.exec(url)?.[1];
        const carried = headers.authorization ?? decodeURIComponent(inQuery ?? '');
        checkEqual(carried, SIGNATURE, 'the signature in Authorization, or in the query as sign');
        check(url.includes('op=x'), `the query got lost: ${url}`);
      },
    },
    {
      name: 'carries any text in a field',
      async run(makeSubject) {
        const subject = await makeSubject();
        const texts = ['', '目录/文件名 😀', 'a"b\\c', '--boundary--', 'a=1&b=2%20+', '{"a":[1]}', 'x'.repeat(20_000)];
        const fields = texts.map((text, index) => [`field${index}`, text] as const);
        const response = await subject.transport.send(post(subject, '/echo', 10, fields), recorder());
        const { parts } = reflectionOf(response);
        checkEqual(parts.map(({ text }) => text).slice(0, -1), texts, 'values');
      },
    },
    {
      name: 'sends content of any size whole: empty, odd, large',
      async run(makeSubject) {
        const subject = await makeSubject();
        for (const sizeBytes of [0, 1, 65_535, 262_144, 262_145, 3 * MIB + 7]) {
          const response = await subject.transport.send(post(subject, '/echo', sizeBytes), recorder());
          const part = reflectionOf(response).parts.at(-1);
          checkEqual([part?.sizeBytes, part?.pattern], [sizeBytes, true], `content of ${sizeBytes} bytes`);
        }
      },
    },
    {
      name: 'sends the same content again, and many at once, each with its own reply',
      async run(makeSubject) {
        const subject = await makeSubject();
        const request = post(subject, '/echo', 400_000);
        await Promise.all(
          Array.from({ length: 10 }, async (_, index) => {
            const url = `${request.url}?n=${index}`;
            const { url: seen, parts } = reflectionOf(await subject.transport.send({ ...request, url }, recorder()));
            check(seen.includes(`n=${index}`), `request ${index} got the reply to ${seen}`);
            checkEqual([parts.at(-1)?.sizeBytes, parts.at(-1)?.pattern], [400_000, true], 'content');
          }),
        );
      },
    },
    {
      name: 'sends GET without a body',
      async run(makeSubject) {
        const subject = await makeSubject();
        const request = { ...post(subject, '/echo?op=stat', undefined), method: 'GET', fields: undefined };
        const { method, bodyBytes } = reflectionOf(await subject.transport.send(request, recorder()));
        checkEqual([method, bodyBytes], ['GET', 0], 'method and body');
      },
    },
    {
      name: 'sends content that is in no form as it is, by any method, with headers and the authorization in one of them',
      async run(makeSubject) {
        const subject = await makeSubject();
        for (const sizeBytes of [0, 1, 3 * MIB + 7]) {
          const request: WireRequest<C> = {
            ...post(subject, '/echo', sizeBytes),
            method: 'PUT',
            fields: undefined,
            headers: { 'X-Own': 'mine', 'Content-Type': 'application/octet-stream' },
            authorization: { value: SIGNATURE },
          };
          const { method, url, headers, parts } = reflectionOf(await subject.transport.send(request, recorder()));
          const sent = [method, url, headers['x-own'], headers['content-type'], headers.authorization];
          checkEqual(sent, ['PUT', '/echo', 'mine', 'application/octet-stream', SIGNATURE], 'request');
          checkEqual([parts[0]?.sizeBytes, parts[0]?.pattern], [sizeBytes, true], `content of ${sizeBytes} bytes`);
        }
      },
    },
    {
      name: 'sends a text as the body, or none where there is none to send',
      async run(makeSubject) {
        const subject = await makeSubject();
        const request: WireRequest<C> = { method: 'POST', url: `${subject.reflectorUrl}/echo` };
        for (const text of ['<a>目录 &amp; 😀</a>', '', undefined]) {
          const { method, headers, parts } = reflectionOf(
            await subject.transport.send({ ...request, text }, recorder()),
          );
          checkEqual([method, parts[0]?.text, headers.authorization], ['POST', text ?? '', undefined], 'request');
        }
      },
    },
    {
      name: 'resolves for every status, with headers by any case',
      async run(makeSubject) {
        const subject = await makeSubject();
        for (const status of [200, 400, 401, 403, 404, 409, 500, 503]) {
          const request = post(subject, `/status/${status}?retryAfter=7`, 1000);
          const response = await subject.transport.send(request, recorder());
          checkEqual(response.status, status, 'status');
          checkEqual(reflectionOf(response).parts.length, 4, 'parts in the reply');
          const seen = ['retry-after', 'Retry-After', 'X-REFLECTOR', 'x-nothing'].map((name) => response.header(name));
          checkEqual(seen.map(String), ['7', '7', 'yes', 'undefined'], 'headers');
        }
      },
    },
    {
      name: 'gives a reply that is not JSON as text',
      async run(makeSubject) {
        const subject = await makeSubject();
        const { status, body } = await subject.transport.send(post(subject, '/text', 1000), recorder());
        checkEqual([status, body], [502, '<h1>Bad gateway – 网关</h1>'], 'reply');
      },
    },
    {
      name: 'refuses a reply above 64 MiB',
      async run(makeSubject) {
        const subject = await makeSubject();
        const sending = subject.transport.send(post(subject, `/large/${70 * MIB}`, 10), recorder());
        checkEqual((await failure(sending, 'send')).code, 'bad-reply', 'code');
      },
    },
    ...['/drop', '/drop-reply', '/cut-reply'].map(
      (path): ContractCase<MakeTransport<C>> => ({
        name: `calls a broken connection network trouble that may pass (${path})`,
        async run(makeSubject) {
          const subject = await makeSubject();
          const sending = subject.transport.send(post(subject, `${path}?secret=1`, 2 * MIB), recorder());
          const { code, remedy } = await failure(sending, 'send');
          checkEqual([code, remedy], ['network', 'backoff'], 'code and remedy');
        },
      }),
    ),
    {
      name: 'calls an endpoint where nothing listens network trouble that may pass',
      async run(makeSubject) {
        const subject = await makeSubject();
        const request = { ...post(subject, '', 1000), url: `${subject.refusedUrl}/a?secret=1` };
        const context = recorder();
        const { code, remedy } = await failure(subject.transport.send(request, context), 'send');
        checkEqual([code, remedy], ['network', 'backoff'], 'code and remedy');
      },
    },
    {
      name: 'delivers an answer that comes before the content has been sent',
      async run(makeSubject) {
        const subject = await makeSubject();
        const response = await subject.transport.send(post(subject, '/early/403', 16 * MIB), recorder());
        checkEqual(response.status, 403, 'status');
      },
    },
    {
      name: 'tells of the connection once, then of rising bytes up to the whole content',
      async run(makeSubject) {
        const subject = await makeSubject();
        const context = recorder();
        await subject.transport.send(post(subject, '/echo', 2 * MIB), context);
        if (!subject.transport.reportsProgress) return;
        const [first, ...sent] = context.calls;
        checkEqual(first, 'connected', 'the first call');
        const rises = sent.every((bytes, index) => bytes !== 'connected' && bytes >= Number(sent[index - 1] ?? 0));
        check(rises, `bytes must rise and the connection be told once: ${context.calls}`);
        checkEqual(sent.at(-1), 2 * MIB, 'the last call');
      },
    },
    {
      name: 'tells how far it came when the server stops reading',
      async run(makeSubject) {
        const subject = await makeSubject();
        if (!subject.transport.reportsProgress) return;
        const controller = new AbortController();
        const context = recorder(controller.signal);
        const sending = subject.transport.send(post(subject, '/stall-reading', 64 * MIB), context);
        sending.catch(() => {});
        try {
          const started = (): boolean => Number(context.calls.at(-1)) > 0;
          for (let left = 100; left > 0 && !started(); left -= 1) await pause(50);
          check(started(), 'nothing is told while content is being sent');
          await pause(500);
          check(Number(context.calls.at(-1)) < 64 * MIB, 'all bytes count as sent though nobody reads them');
        } finally {
          controller.abort();
        }
        await rejection(sending, 'send');
        await untilQuiet(subject);
      },
    },
    ...['/stall', '/stall-reading'].map(
      (path): ContractCase<MakeTransport<C>> => ({
        name: `ends the request when aborted, with the signal's reason, and is silent afterwards (${path})`,
        async run(makeSubject) {
          const subject = await makeSubject();
          const controller = new AbortController();
          const context = recorder(controller.signal);
          const reason = new Error('paused');
          const sending = subject.transport.send(post(subject, path, 8 * MIB), context);
          setTimeout(() => controller.abort(reason), 100);
          const error = await rejection(sending, 'send');
          check(error === reason, `expected the abort's reason, got ${error}`);
          const callsAtEnd = context.calls.length;
          await untilQuiet(subject);
          checkEqual(context.calls.length, callsAtEnd, 'calls after the end');
        },
      }),
    ),
    {
      name: 'sends nothing when the signal is aborted already',
      async run(makeSubject) {
        const subject = await makeSubject();
        const controller = new AbortController();
        const reason = new Error('cancelled');
        controller.abort(reason);
        const context = recorder(controller.signal);
        const error = await rejection(subject.transport.send(post(subject, '/stall', 1000), context), 'send');
        check(error === reason, `expected the abort's reason, got ${error}`);
        await untilQuiet(subject);
        checkEqual(context.calls, [], 'calls');
      },
    },
  ];
}
