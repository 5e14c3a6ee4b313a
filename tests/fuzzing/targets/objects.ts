import { createObjectClient, type Sink, type StreamedResponse, type Transport } from '@cos-slice/core';
import { createManualClock } from '../../../packages/core/src/testing/manual-clock.ts';
import { readMessage, splitAt } from '../engine/message.ts';
import { expect, type Target } from '../engine/target.ts';
import { checkError, responseOf } from './replies.ts';

const NEXT = '\n====\n';
const MOST_REQUESTS = 60;
const FILE = {
  name: 'a',
  filesize: 12,
  sha: 'ab'.repeat(20),
  mtime: 1472647601,
  access_url: 'http://h.test/a b#1',
  custom_headers: { 'Cache-Control': 'no' },
};
const ok = (data: object): string => `HTTP/1.1 200 OK\n\n${JSON.stringify({ code: 0, message: 'SUCCESS', data })}`;
const story = (...pieces: string[]): string => pieces.join(NEXT);
const part = (range: string, text: string, more = ''): string =>
  `HTTP/1.1 206 Partial\nContent-Range: bytes ${range}\nETag: "e"\n${more}\n${text}`;

/** Downloads, lists and the like against a server that says anything. */
export const objects: Target = {
  name: 'objects',
  about:
    'downloads, lists and moves against a server that answers anything: what is written is what was announced, or there is an error',
  seeds: [
    story(ok(FILE), 'HTTP/1.1 200 OK\nETag: "e"\nContent-Length: 12\n\n0123456789ab'),
    story(ok(FILE), part('0-11/12', '0123456789ab')),
    story(ok(FILE), part('0-11/12', '0123'), part('4-11/12', '456789ab')),
    story(ok(FILE), 'HTTP/1.1 416 No\nContent-Range: bytes */3\n\n'),
    story(ok(FILE), 'HTTP/1.1 404 No\n\n{"code":-197,"message":"E"}'),
    story(
      ok({ context: 'c', has_more: true, infos: [FILE, { name: 'd/' }] }),
      ok({ context: '', has_more: false, infos: [FILE] }),
    ),
    story('HTTP/1.1 503 No\nRetry-After: 7\n\n{"code":-71}', ok(FILE), 'HTTP/1.1 200 OK\n\n0123456789ab'),
  ],
  words: [
    NEXT,
    'Content-Range: bytes ',
    'ETag: ',
    'Content-Length: ',
    '"access_url":',
    '"filesize":',
    '"infos":',
    '"context":',
    'http://',
  ],
  async run(input) {
    const pieces = splitAt(input, NEXT);
    for (const act of ['download', 'ordered', 'list', 'move', 'stat'] as const) {
      const clock = createManualClock();
      const controller = new AbortController();
      let asked = 0;
      const next = (): Buffer => {
        if (asked >= MOST_REQUESTS) controller.abort(new Error('enough'));
        return pieces[asked++ % pieces.length] ?? Buffer.alloc(0);
      };
      const transport: Transport<never> = {
        reportsProgress: true,
        send: async () => responseOf(next()),
        receive: async () => streamed(next()),
      };
      const client = createObjectClient(
        { endpoint: 'http://cos.test/files/v2', appId: '10055004', bucket: 'demobucket', signer: () => 'U0lHTkFUVVJF' },
        { transport, clock, random: () => 0.5 },
      );
      const { signal } = controller;
      const running = async (): Promise<void> => {
        if (act === 'list') for await (const _ of client.list('', { signal })) if (asked > 20) break;
        if (act === 'move') await client.move('dir/a', 'b', { signal });
        if (act === 'stat') await client.stat('dir/a', { signal });
        if (act !== 'download' && act !== 'ordered') return;
        const sink = createSink(act === 'ordered');
        const { sizeBytes } = await client.downloadTo(sink, 'dir/a', { signal }).done;
        expect(sink.isWhole(sizeBytes), `${sizeBytes} bytes are said to have come, and have not`);
      };
      try {
        await clock.runUntil(running());
      } catch (error) {
        if (error !== signal.reason) checkError(error);
      }
      expect(clock.sleepers === 0, 'something still waits');
    }
  },
}; // prettier-ignore

function streamed(input: Buffer): StreamedResponse {
  const { status, header } = responseOf(input);
  const { body } = readMessage(input);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const half = body.length >> 1;
    if (half > 0) yield body.subarray(0, half);
    if (body.length > half) yield body.subarray(half);
  }
  return { status, header, body: pieces() };
}

function createSink(ordered: boolean): Sink & { isWhole(sizeBytes: number): boolean } {
  let writtenBytes = 0;
  let finished = 0;
  const places = new Set<number>();
  return {
    ordered,
    open: async () => ({ kept: [] }),
    async write(offset, chunks) {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at++) places.add(offset + at);
        offset += chunk.length;
        writtenBytes += chunk.length;
      }
      expect(writtenBytes < 1_000_000, 'more is written than was ever sent');
    },
    async discard() {
      places.clear();
    },
    async finish() {
      finished++;
    },
    leave: async () => {},
    isWhole: (sizeBytes) =>
      finished === 1 && places.size === sizeBytes && (sizeBytes === 0 || places.has(sizeBytes - 1)),
  };
}
