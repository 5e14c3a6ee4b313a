import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createRandom, type Random } from '@cos-slice/testkit/simulated/random';

/** What a connection does once so many bytes have gone to the server, and how often, in hundredths. */
const KINDS = {
  behaves: 8,
  'is refused': 6,
  'is cut in a request': 16,
  'is cut before a reply': 12,
  'is cut in a reply': 8,
  stalls: 4,
  'loses replies': 4,
  'refuses with 502 or 503 before the server has heard': 8,
  'answers 502 after the server has acted': 6,
  'answers with something else': 6,
  'damages content': 6,
  'splits what it carries': 6,
  'is slow': 4,
  'answers late': 6,
} as const;
export type FaultKind = keyof typeof KINDS;

const SILENT: readonly FaultKind[] = ['stalls', 'loses replies'];

export interface LineEvent {
  readonly atMs: number;
  /** Of the request that was on the way, as it is in its first line. */
  readonly target: string;
  readonly text: string;
}

/** A line to a server that is as bad as its seed has it: each connection has one fault. */
export interface Line {
  readonly url: string;
  readonly connections: number;
  /** How often each fault has struck. */
  readonly struck: ReadonlyMap<FaultKind, number>;
  /** Sockets towards clients that are open. */
  readonly open: number;
  readonly bytes: number;
  close(): Promise<void>;
}

/** Longer than anybody waits for an answer here. */
const STALL_MS = 30_000;
const HEAD = /^(?:GET|HEAD|POST|PUT|OPTIONS|DELETE) (\S+) HTTP\/1\.1\r\n/;
const REFUSALS = [
  'HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 15\r\n\r\n<h1>Sorry.</h1>',
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy',
] as const;
const GARBAGE = [
  'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 14\r\n\r\n<h1>Login</h1>',
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 20\r\n\r\n{"code":0,"message":"',
  '\u0000\u0001 this is no HTTP',
] as const;

export interface Mood {
  readonly seed: number;
  /** No connection goes silent. */
  readonly isMild: boolean;
}

export async function startLine(
  { seed, isMild }: Mood,
  targetPort: number,
  onEvent: (event: LineEvent) => void = () => {},
): Promise<Line> {
  const struck = new Map<FaultKind, number>();
  const clients = new Set<Socket>();
  let connections = 0;
  let bytes = 0;

  const server = createServer((client) => {
    connections += 1;
    clients.add(client);
    client.on('close', () => clients.delete(client));
    carry(client, createRandom(seed * 1_000_003 + connections), {
      isMild,
      targetPort,
      carried(count) {
        bytes += count;
      },
      strikes(kind, target) {
        struck.set(kind, (struck.get(kind) ?? 0) + 1);
        onEvent({ atMs: Date.now(), target, text: `the line ${kind}` });
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections;
    },
    struck,
    get open() {
      return clients.size;
    },
    get bytes() {
      return bytes;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
      }),
  };
}

interface Ends {
  readonly isMild: boolean;
  readonly targetPort: number;
  carried(bytes: number): void;
  strikes(kind: FaultKind, target: string): void;
}

function draw(random: Random, isMild: boolean): { readonly kind: FaultKind; readonly afterBytes: number } {
  const all = Object.entries(KINDS) as [FaultKind, number][];
  const kinds = all.filter(([kind]) => !isMild || !SILENT.includes(kind));
  let left = random.next() * kinds.reduce((sum, [, share]) => sum + share, 0);
  const [kind] = kinds.find(([, share]) => {
    left -= share;
    return left < 0;
  }) ?? ['behaves'];
  // From the first headers to many slices.
  return { kind, afterBytes: 10 ** random.between(2, 8) };
}

function carry(client: Socket, random: Random, { isMild, targetPort, carried, strikes }: Ends): void {
  const { kind, afterBytes } = draw(random, isMild);
  client.on('error', () => {});
  if (kind === 'is refused') {
    strikes(kind, '');
    return void client.resetAndDestroy();
  }
  const server = connect(targetPort, '127.0.0.1');
  server.on('error', () => {});
  client.setNoDelay();
  server.setNoDelay();
  let target = '';
  let hasContent = false;
  let sentBytes = 0;
  /** Nothing more goes either way. */
  let isDead = false;
  let hasStruck = false;
  const strike = (): void => {
    if (!hasStruck) strikes(kind, target);
    hasStruck = true;
  };
  const end = (act: () => void): void => {
    isDead = true;
    strike();
    act();
    client.resume();
    server.destroy();
  };
  const pass = (chunk: Buffer, from: Socket, to: Socket): void => {
    if (to.write(chunk)) return;
    if (from.isPaused()) return;
    from.pause();
    to.once('drain', () => from.resume());
  };
  const later = (from: Socket, ms: number, act: () => void): void => {
    from.pause();
    setTimeout(() => {
      act();
      from.resume();
    }, ms);
  };

  client.on('data', (given: Buffer) => {
    if (isDead) return;
    let chunk = given;
    const head = HEAD.exec(chunk.subarray(0, 4096).toString('latin1'));
    if (head) {
      [, target = ''] = head;
      hasContent = /name="?filecontent/i.test(chunk.subarray(0, 4096).toString('latin1'));
    }
    sentBytes += chunk.length;
    carried(chunk.length);
    if (sentBytes > afterBytes) {
      if (kind === 'is cut in a request') return end(() => client.resetAndDestroy());
      if (kind === 'stalls') {
        strike();
        isDead = true;
        client.pause();
        // Nobody who has gone away would be noticed.
        return void setTimeout(() => client.resume(), STALL_MS).unref();
      }
      if (kind === 'refuses with 502 or 503 before the server has heard' && head)
        return end(() => client.end(random.pick(REFUSALS)));
      // Only what MD5 or SHA-1 of the content is told of, and nothing of the form around it.
      if (kind === 'damages content' && !hasStruck && hasContent && !head && chunk.length > 16_384) {
        if (/\/(md5|sha1)\//.test(target) && !chunk.includes('\r\n--')) {
          chunk = Buffer.from(chunk);
          const at = 8192 + random.below(chunk.length - 16_384);
          chunk[at] = (chunk[at] ?? 0) ^ (1 << random.below(8));
          strike();
        }
      }
      if (kind === 'is slow') {
        strike();
        return later(client, random.between(5, 30), () => pass(chunk, client, server));
      }
      if (kind === 'splits what it carries') {
        strike();
        for (let at = 0; at < Math.min(chunk.length, 300); at += 1) server.write(chunk.subarray(at, at + 1));
        chunk = chunk.subarray(300);
        if (chunk.length === 0) return;
      }
    }
    pass(chunk, client, server);
  });
  server.on('data', (chunk: Buffer) => {
    if (isDead) return;
    carried(chunk.length);
    if (sentBytes > afterBytes) {
      if (kind === 'is cut before a reply') return end(() => client.resetAndDestroy());
      if (kind === 'is cut in a reply') return end(() => client.end(chunk.subarray(0, random.below(chunk.length))));
      if (kind === 'answers 502 after the server has acted') return end(() => client.end(REFUSALS[0]));
      if (kind === 'answers with something else') return end(() => client.end(random.pick(GARBAGE)));
      if (kind === 'loses replies') return strike();
      if (kind === 'answers late') {
        strike();
        return later(server, random.between(50, 400), () => isDead || pass(chunk, server, client));
      }
    }
    pass(chunk, server, client);
  });
  client.on('close', () => server.destroy());
  server.on('end', () => isDead || client.end());
  // A server that is not there, or that was killed.
  server.on('close', (failed) => {
    if (isDead) return;
    isDead = true;
    if (failed) client.resetAndDestroy();
    // One that is held up would not notice that the other side has gone.
    else client.end().resume();
  });
}
