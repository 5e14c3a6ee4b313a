import { randomBytes } from 'node:crypto';
import {
  createMetrics,
  createSliceServer,
  type Metrics,
  paceGarbageCollection,
  type RequestInfo,
  type SliceServer,
  type Store,
} from '@cos-slice/server';
import type { Command } from '../command.ts';
import { withSettings } from '../command-line.ts';
import { CommandError, EXIT, leave, UsageError } from '../failure.ts';
import {
  type Flags,
  type Given,
  optionRow,
  readFlags,
  sizeFlag,
  switchFlag,
  textFlag,
  type Values,
  wholeFlag,
} from '../flags.ts';
import { ACCOUNT, CONNECTION } from '../settings.ts';
import { quoteName, toLine } from '../text.ts';
import { formatBytes } from '../units.ts';
import { chooseStore, STORE_FLAGS } from './serve-store.ts';

const PREFIX = '/files/v2';
/** Most often there is nothing to wait for. */
const SAY_AFTER_MS = 500;

const FLAGS = {
  ...STORE_FLAGS,
  port: wholeFlag('--port <N>', 'port; 0 takes a free one', { min: 0, max: 65_535 }, 9000),
  host: {
    usage: '--host <HOST>',
    doc: 'address to listen on (default: 127.0.0.1)',
    read: (given): string => String(given ?? '127.0.0.1'),
  },
  buckets: {
    usage: '--bucket <NAME>',
    doc: 'a bucket; repeat for more (default: demo)',
    repeatable: true,
    read: (given): readonly string[] => (Array.isArray(given) ? given : ['demo']),
  },
  appId: { ...ACCOUNT.appId, doc: `${ACCOUNT.appId.doc} (default: 10000000)` },
  secretId: { ...ACCOUNT.secretId, doc: 'secret id (default: demo)' },
  secretKey: { ...ACCOUNT.secretKey, doc: 'secret key (default: made up and printed)' },
  publicRead: switchFlag('--public-read', 'let anyone download'),
  publicUrl: textFlag(
    '--public-url <URL>',
    'where clients see the server, such as https://files.example, for the URLs in replies',
  ),
  trustProxy: switchFlag(
    '--trust-proxy',
    'believe X-Forwarded-Proto, -Host, -Port and -Prefix: only behind a proxy of yours',
  ),
  graceSec: wholeFlag(
    '--grace <SECONDS>',
    'how long requests under way may go on when told to stop',
    { min: 0, max: 3600 },
    10,
  ),
  forcedBytes: sizeFlag(
    '--slice-size <SIZE>',
    'slice size of every upload, whatever clients ask for',
    optionRow('sliceSize', 'whole'),
  ),
  maxRequests: wholeFlag(
    '--max-requests <N>',
    'requests with a body at a time, half of them for one client; others wait their turn',
    { min: 1, max: 1_000_000 },
    500,
  ),
  maxSessions: wholeFlag(
    '--max-sessions <N>',
    'unfinished uploads of a bucket; more are refused for the time being',
    { min: 1, max: 1_000_000 },
    10_000,
  ),
  metrics: {
    usage: '--metrics <HOST:PORT>',
    doc: 'answer /-/metrics for Prometheus there, apart from clients; HOST may be left out',
    read: readAddress,
  },
  quiet: switchFlag('--quiet', 'only the line that says ready'),
  json: switchFlag('--json', 'print everything as JSON, one object a line'),
} as const satisfies Flags;

type ServeFlags = Values<typeof FLAGS>;

export const serve: Command = {
  name: 'serve',
  summary: 'run a server, its files in a folder or an object store',
  description:
    'Runs a server that speaks the protocol. Objects are plain files at DIR/<appid>/<bucket>/<path>, or objects at s3://BUCKET/PREFIX/<appid>/<bucket>/<path> that any number of servers share.',
  operands: [],
  flags: FLAGS,
  notes: [
    'The first line is "ready URL", the rest a line for each request: time, op, path, HTTP status, code, ms, size.',
    'Ctrl-C (or SIGTERM) lets requests under way end and stops the server, a second one stops it at once; what uploads have stored stays and can be resumed.',
    'GET / and /-/healthy say 200 to probes, /-/ready until the server is told to stop.',
  ],
  examples: [
    'cos-slice serve --root ./store',
    'COS_SECRET_KEY=... cos-slice serve --root /srv/files --bucket films --app-id 10055004 --secret-id ID',
    'cos-slice serve --store s3://films/cos --s3-endpoint http://ceph.example:7480 --metrics 9100',
    'cos-slice serve --root /srv/files --public-url https://files.example   # behind a proxy',
  ],
  variables: {
    AWS_ACCESS_KEY_ID: 'key of the object store, with AWS_SECRET_ACCESS_KEY and, if need be, AWS_SESSION_TOKEN',
    AWS_PROFILE: 'profile of ~/.aws/credentials (or AWS_SHARED_CREDENTIALS_FILE) where there is no such key',
  },
  run: async ({ given }) => serveUntilTold(readFlags(FLAGS, given)),
};

async function serveUntilTold(flags: ServeFlags): Promise<number> {
  paceGarbageCollection();
  const { appId = '10000000', secretId = 'demo', port, graceSec } = flags;
  const madeUpKey = flags.secretKey === undefined ? randomBytes(18).toString('base64url') : undefined;
  const secretKey = flags.secretKey ?? madeUpKey ?? '';
  const stop = onceTold();

  const metrics = flags.metrics && createMetrics();
  const { store, place, open } = chooseStore(flags, (info) => metrics?.onCall(info));
  const isTold = await Promise.race([open().then(() => false), stop.then(() => true)]);
  // A store that does not answer would be waited for.
  if (isTold) leave(EXIT.done);
  const server = createServer(flags, store, { appId, secretId, secretKey }, metrics);
  const { port: boundPort } = await server.listen(port, flags.host).catch((error) => {
    throw new CommandError('listen-failed', listenProblem(error, port, flags.host));
  });
  const metricsUrl = flags.metrics && (await listenForMetrics(metrics, flags.metrics));
  const endpoint = `http://${reachable(flags.host)}:${boundPort}${PREFIX}`;
  if (flags.json) {
    const account = { appId, secretId, ...(madeUpKey === undefined ? {} : { secretKey: madeUpKey }) };
    print(
      JSON.stringify({
        event: 'ready',
        endpoint,
        root: place,
        ...(metricsUrl && { metrics: metricsUrl }),
        buckets: flags.buckets,
        ...account,
      }),
    );
  } else {
    print(`ready ${endpoint}`);
    if (!flags.quiet)
      print(introduce({ place, metricsUrl, endpoint, appId, secretId, madeUpKey, bucket: flags.buckets[0] ?? '' }));
  }
  await stop;
  const saying = setTimeout(() => {
    if (!flags.quiet) process.stderr.write(`stopping: requests under way have ${graceSec} s; again to stop at once\n`);
  }, SAY_AFTER_MS);
  await server.close({ graceMs: graceSec * 1000 });
  await metrics?.close();
  clearTimeout(saying);
  return EXIT.done;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Resolves at the first signal. A second one, be it the other one, ends the process at once. */
function onceTold(): Promise<void> {
  return new Promise((resolve) => {
    let isTold = false;
    const stop = (): void => {
      if (isTold) leave(EXIT.interrupted);
      isTold = true;
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, stop);
  });
}

function createServer(
  flags: ServeFlags,
  store: Store,
  account: { readonly appId: string; readonly secretId: string; readonly secretKey: string },
  metrics: Metrics | undefined,
): SliceServer {
  const { forcedBytes, publicUrl } = flags;
  const log = flags.json ? logJson : logLine;
  try {
    return createSliceServer({
      store,
      prefix: PREFIX,
      accounts: [{ ...account, buckets: flags.buckets }],
      publicRead: flags.publicRead,
      trustProxy: flags.trustProxy,
      maxRequests: flags.maxRequests,
      maxSessions: flags.maxSessions,
      ...(publicUrl === undefined ? {} : { publicUrl }),
      ...(forcedBytes === undefined ? {} : { sliceSize: { forcedBytes } }),
      onRequest(info) {
        metrics?.onRequest(info);
        if (!flags.quiet) log(info);
      },
    });
  } catch (error) {
    // What the server says about its options, without the name of a function nobody called.
    if (error instanceof TypeError)
      throw new UsageError(
        error.message.replace(/^createSliceServer: (accounts: )?/, '').replace('publicUrl:', '--public-url'),
      );
    throw error;
  }
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** `9100`, `:9100` or `10.0.0.5:9100` */
function readAddress(given: Given): Address | undefined {
  if (given === undefined) return undefined;
  const [, host = '127.0.0.1', digits] = /^(?:(.*):)?(\d{1,5})$/.exec(String(given)) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) throw new UsageError(`--metrics must be HOST:PORT, got '${given}'`);
  return { host: host === '' ? '0.0.0.0' : host, port };
}

async function listenForMetrics(metrics: Metrics | undefined, { host, port }: Address): Promise<string | undefined> {
  return (
    await metrics?.listen(port, host).catch((error) => {
      throw new CommandError('listen-failed', `--metrics: ${listenProblem(error, port, host)}`);
    })
  )?.url;
}

function introduce(facts: {
  place: string;
  metricsUrl: string | undefined;
  endpoint: string;
  appId: string;
  secretId: string;
  madeUpKey: string | undefined;
  bucket: string;
}): string {
  const { place, metricsUrl, endpoint, appId, secretId, madeUpKey, bucket } = facts;
  const upload = withSettings(`upload FILE ${bucket}/`, [
    [CONNECTION.endpoint, endpoint],
    [ACCOUNT.appId, appId],
    [ACCOUNT.secretId, secretId],
    ...(madeUpKey === undefined ? [] : [[ACCOUNT.secretKey, madeUpKey] as const]),
  ]);
  const key =
    madeUpKey === undefined ? 'with COS_SECRET_KEY set to the key given' : 'demo credentials, made up for this run';
  return [
    ...(metricsUrl === undefined ? [] : [`metrics at ${metricsUrl}`]),
    `files in ${toLine(place)}; stop with Ctrl-C; upload (${key}):`,
    `  ${upload}`,
  ].join('\n');
}

/** `12:00:00 upload_slice_data "films/a.mp4" 200 0 3.1ms 1.0 MiB` */
function logLine({ method, op, path, status, code, bytes, durationMs, fault }: RequestInfo): void {
  const words = [
    new Date().toISOString().slice(11, 19),
    nameOf(method, op),
    path === undefined ? '-' : quoteName(path),
    status === 0 ? 'cut-off' : status,
    code,
    `${durationMs.toFixed(1)}ms`,
    formatBytes(bytes),
  ];
  if (fault !== undefined) words.push(toLine(fault instanceof Error ? fault.message : String(fault)));
  print(words.join(' '));
}

function logJson({ fault, durationMs, ...info }: RequestInfo): void {
  const said = fault === undefined ? {} : { fault: fault instanceof Error ? fault.message : String(fault) };
  const time = new Date().toISOString();
  print(JSON.stringify({ event: 'request', time, ...info, durationMs: Math.round(durationMs * 10) / 10, ...said }));
}

/** The op is the client's text; downloads and preflights have none. */
function nameOf(method: string, op: string | undefined): string {
  if (op === undefined) return method;
  return /^\w{1,40}$/.test(op) ? op : quoteName(op.slice(0, 40));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A server that listens everywhere is reached here, too. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::' || host === '[::]') return '[::1]';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function listenProblem({ code, message }: NodeJS.ErrnoException, port: number, host: string): string {
  if (code === 'EADDRINUSE') return `port ${port} is taken: choose another with --port, or 0 for a free one`;
  if (code === 'EACCES') return `port ${port} may not be used: choose one above 1023 with --port`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `${host} is no address of this machine (${code}): check --host`;
  }
  return `cannot listen on ${host}:${port}: ${message}`;
}
