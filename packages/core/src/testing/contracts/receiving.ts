import type { ReceiveContext, StreamedResponse, WireRequest } from '../../ports.ts';
import { type ContractCase, check, checkEqual, pause, rejection } from './contract.ts';
import { AUTHORIZATION, failure, type MakeTransport, type TransportSubject, untilQuiet } from './transport.ts';

const MIB = 1024 * 1024;

function receive<C>(
  { transport, reflectorUrl }: TransportSubject<C>,
  path: string,
  { signal = new AbortController().signal, ...more }: Partial<WireRequest<C> & ReceiveContext> = {},
): Promise<StreamedResponse> {
  if (!transport.receive) throw new Error('this transport cannot receive');
  const request = { method: 'GET', url: `${reflectorUrl}${path}`, authorization: AUTHORIZATION, ...more };
  return transport.receive(request, { signal, connectMs: 5_000 });
}

async function textOf({ body }: StreamedResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of body) text += decoder.decode(bytes);
  return text;
}

async function sizeOf({ body }: StreamedResponse): Promise<number> {
  let sizeBytes = 0;
  for await (const bytes of body) sizeBytes += bytes.length;
  return sizeBytes;
}

/** For transports of content `C` that can receive: `receivingContract<Blob>()`. */
export function receivingContract<C>(): readonly ContractCase<MakeTransport<C>>[] {
  return [
    ...[0, 1, 20 * MIB].map(
      (sizeBytes): ContractCase<MakeTransport<C>> => ({
        name: `receives a body of ${sizeBytes} bytes`,
        async run(makeSubject) {
          const response = await receive(await makeSubject(), `/large/${sizeBytes}`);
          checkEqual(response.status, 200, 'status');
          checkEqual(response.header('X-Reflector'), 'yes', 'a header');
          checkEqual(response.header('x-missing'), undefined, 'a header that is not there');
          checkEqual(await sizeOf(response), sizeBytes, 'bytes of the body');
        },
      }),
    ),
    {
      name: 'carries the signature and the headers unchanged',
      async run(makeSubject) {
        const subject = await makeSubject();
        const response = await receive(subject, '/echo?a=b', { headers: { Range: 'bytes=10-19' } });
        const { method, url, headers } = JSON.parse(await textOf(response));
        const inQuery = new URL(`http://x${url}`).search.split('&sign=')[1];
        const carried = inQuery === undefined ? headers.authorization : decodeURIComponent(inQuery);
        checkEqual([method, headers.range, carried], ['GET', 'bytes=10-19', AUTHORIZATION.value], 'what was sent');
      },
    },
    ...[206, 403, 404, 416, 500, 503].map(
      (status): ContractCase<MakeTransport<C>> => ({
        name: `resolves for status ${status}, with its body`,
        async run(makeSubject) {
          const response = await receive(await makeSubject(), `/status/${status}?retryAfter=7`);
          checkEqual([response.status, response.header('Retry-After')], [status, '7'], 'status and header');
          checkEqual(JSON.parse(await textOf(response)).method, 'GET', 'the body');
        },
      }),
    ),
    {
      name: 'calls a connection that is closed without an answer network trouble that may pass',
      async run(makeSubject) {
        const { code, remedy } = await failure(receive(await makeSubject(), '/drop?secret=1'), 'receive');
        checkEqual([code, remedy], ['network', 'backoff'], 'code and remedy');
      },
    },
    {
      name: 'calls an endpoint where nothing listens network trouble that may pass',
      async run(makeSubject) {
        const subject = await makeSubject();
        const url = `${subject.refusedUrl}/a?secret=1`;
        const { code, remedy } = await failure(receive(subject, '', { url }), 'receive');
        checkEqual([code, remedy], ['network', 'backoff'], 'code and remedy');
      },
    },
    {
      name: 'a body that is cut off ends in network trouble, and never as if it were whole',
      async run(makeSubject) {
        const response = await receive(await makeSubject(), '/cut-reply?secret=1');
        checkEqual(response.status, 200, 'status');
        const { code, remedy } = await failure(textOf(response), 'reading the body');
        checkEqual([code, remedy], ['network', 'backoff'], 'code and remedy');
      },
    },
    {
      name: "ends the request when aborted before the head has come, with the signal's reason",
      async run(makeSubject) {
        const subject = await makeSubject();
        const controller = new AbortController();
        const reason = new Error('paused');
        const receiving = receive(subject, '/stall', { signal: controller.signal });
        setTimeout(() => controller.abort(reason), 100);
        const error = await rejection(receiving, 'receive');
        check(error === reason, `expected the abort's reason, got ${error}`);
        await untilQuiet(subject);
      },
    },
    {
      name: "ends the request when aborted in the middle of the body, with the signal's reason",
      async run(makeSubject) {
        const subject = await makeSubject();
        const controller = new AbortController();
        const reason = new Error('paused');
        const { body } = await receive(subject, `/large/${256 * MIB}`, { signal: controller.signal });
        const reading = (async () => {
          for await (const _ of body) controller.abort(reason);
        })();
        const error = await rejection(reading, 'reading the body');
        check(error === reason, `expected the abort's reason, got ${error}`);
        await untilQuiet(subject);
      },
    },
    {
      name: 'ends the request when aborted while nobody reads the body',
      async run(makeSubject) {
        const subject = await makeSubject();
        const controller = new AbortController();
        const reason = new Error('paused');
        const { body } = await receive(subject, `/large/${256 * MIB}`, { signal: controller.signal });
        await pause(100);
        controller.abort(reason);
        await untilQuiet(subject);
        const error = await rejection(sizeOf({ body } as StreamedResponse), 'reading the body');
        check(error === reason, `expected the abort's reason, got ${error}`);
      },
    },
    {
      name: 'ends the request when the body is no longer read',
      async run(makeSubject) {
        const subject = await makeSubject();
        const { body } = await receive(subject, `/large/${256 * MIB}`);
        for await (const _ of body) break;
        await untilQuiet(subject);
      },
    },
    {
      name: 'asks for nothing when the signal is aborted already',
      async run(makeSubject) {
        const subject = await makeSubject();
        const controller = new AbortController();
        const reason = new Error('cancelled');
        controller.abort(reason);
        const error = await rejection(receive(subject, '/stall', { signal: controller.signal }), 'receive');
        check(error === reason, `expected the abort's reason, got ${error}`);
        await untilQuiet(subject);
      },
    },
  ];
}
