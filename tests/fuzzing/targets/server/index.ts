import { once } from 'node:events';
import type { Server } from 'node:http';
import { createHttpServer } from '../../../../packages/server/src/http/listener.ts';
import { createSliceServer, type SliceServer } from '../../../../packages/server/src/server.ts';
import { type Loose, watchLoose } from '../../engine/loose.ts';
import { splitAt } from '../../engine/message.ts';
import { expect, type Target } from '../../engine/target.ts';
import { exchange } from './connection.ts';
import { checkReply, readReplies } from './replies.ts';
import { NEXT, SEEDS, WORDS } from './seeds.ts';
import { ACCOUNT, isAllowed, NOW_SEC, withSignatures } from './signing.ts';
import { exchangeOverSocket } from './socket.ts';
import { clearDisk, inMemory, onDisk, type Place } from './stores.ts';

/** A whole server behind the HTTP that it always has, with a store that is the same for each input. */
function serverTarget(name: string, about: string, open: () => Promise<Place>, send: typeof exchange): Target {
  let http: Server | undefined;
  let current: SliceServer | undefined;
  let loose: Loose | undefined;

  const listen = async (): Promise<Server> => {
    loose = watchLoose();
    const server = createHttpServer({ onBroken: () => {} });
    server.on('request', (req, res) => void current?.handle(req, res));
    server.on('checkContinue', (req, res) => void current?.handle(req, res, true));
    if (send === exchangeOverSocket) await once(server.listen(0, '127.0.0.1'), 'listening');
    return server;
  };

  return {
    name,
    about,
    seeds: SEEDS,
    words: WORDS,
    async run(input) {
      http ??= await listen();
      const place = await open();
      const faults: unknown[] = [];
      current = createSliceServer({
        store: place.store,
        accounts: [ACCOUNT],
        nowMs: () => NOW_SEC * 1000,
        onRequest: ({ fault, status }) => {
          if (fault !== undefined && status >= 500) faults.push(fault);
        },
      });
      try {
        let session = 's1';
        for (const piece of splitAt(input, NEXT)) {
          const { bytes, allowed } = asSent(piece, session);
          const before = await place.look();
          const { output, methods } = await send(http, cut(bytes));
          if (faults.length > 0) throw faults[0];
          const replies = readReplies(output, methods);
          for (const reply of replies) checkReply(reply);
          expect(!output.includes(ACCOUNT.secretKey), 'a reply tells the key');
          for (const [path, change] of changes(before, await place.look())) {
            expect(
              isAllowed(allowed, path, change),
              `${JSON.stringify(path)} is ${change}, and no signature allows that`,
            );
          }
          session = /"session":"([^"]+)"/.exec(output.toString('latin1'))?.[1] ?? session;
        }
        const { bytes } = asSent(Buffer.from(STILL_THERE), session);
        const { output } = await send(http, [bytes]);
        expect(
          /^HTTP\/1\.1 (200|404) /.test(output.toString('latin1')),
          `afterwards it says ${output.toString('latin1').slice(0, 200)}`,
        );
        const [first] = loose?.take() ?? [];
        if (first !== undefined) throw first;
      } finally {
        await current.close({ graceMs: 0 });
        await place.clear();
      }
    },
    async close() {
      loose?.end();
      http?.close();
      http?.closeAllConnections();
      await clearDisk();
    },
  };
} // prettier-ignore

const STILL_THERE = 'GET /files/v2/10055004/demobucket/?op=list&sign={multi} HTTP/1.1\nHost: h\nConnection: close\n\n';

/** An input as it goes over the wire: lines end as they must, signatures and sessions are put in, and the length is told. */
function asSent(piece: Buffer, session: string) {
  const text = piece.toString('latin1').replaceAll('{session}', session);
  const { text: signed, allowed } = withSignatures(text);
  const isPlain = !signed.includes('\r\n\r\n');
  const at = signed.indexOf(isPlain ? '\n\n' : '\r\n\r\n');
  if (at < 0) return { bytes: Buffer.from(signed, 'latin1'), allowed };
  const body = signed.slice(at + (isPlain ? 2 : 4));
  let head = isPlain ? signed.slice(0, at).replace(/\r?\n/g, '\r\n') : signed.slice(0, at);
  if (body !== '' && !/^(content-length|transfer-encoding):/im.test(head)) head += `\r\nContent-Length: ${body.length}`;
  return { bytes: Buffer.from(`${head}\r\n\r\n${body}`, 'latin1'), allowed };
}

/** In up to three pieces; where, is up to the bytes. */
function cut(bytes: Buffer): Buffer[] {
  const hash = bytes.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
  const [one = 0, other = 0] = [hash % (bytes.length + 1), (hash >>> 8) % (bytes.length + 1)].sort((a, b) => a - b);
  if (hash % 4 === 0) return [bytes];
  return [bytes.subarray(0, one), bytes.subarray(one, other), bytes.subarray(other)].filter(({ length }) => length > 0);
}

function* changes(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Generator<[path: string, change: 'made' | 'changed' | 'gone']> {
  for (const [path, text] of after) {
    const was = before.get(path);
    if (was !== text) yield [path, was === undefined ? 'made' : 'changed'];
  }
  for (const path of before.keys()) if (!after.has(path)) yield [path, 'gone'];
}

const PROMISE = 'each request is answered, nothing changes without a signature for it, and it goes on serving';

export const serverInMemory: Target = serverTarget('server', `requests of any kind: ${PROMISE}`, inMemory, exchange);
export const serverOnDisk: Target = serverTarget(
  'server-files',
  `the same with real files: ${PROMISE}`,
  onDisk,
  exchange,
);
export const serverOverSockets: Target = serverTarget(
  'server-sockets',
  `the same over real sockets, cut anywhere: ${PROMISE}`,
  inMemory,
  exchangeOverSocket,
); // prettier-ignore
