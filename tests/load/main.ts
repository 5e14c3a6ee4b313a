import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createClient, createSigner, isCosSliceError, uploadFile } from '@cos-slice/node';
import { serve } from '../support/command.ts';
import { askHeld, openFiles, PROBE, peakRssBytes, waitedMs } from '../support/held.ts';
import { createProgressLine, formatTable, whole } from '../support/terminal.ts';
import { createVisitors } from './visitors.ts';

const HELP = `Many uploads and connections at a time for a server of its own, and what it bears them with.

  npm run load -- [options]

  --minutes N      how long (default 2)
  --uploads N      uploads at a time (default 200)
  --connections N  connections at a time, those of the uploads included (default 1000)
  --json FILE      write the figures to FILE
  --unbounded      a slow machine is no failure
  --help

Exits with 1 when anything is answered that is neither success nor a deliberate 503, or when the server had more than 512 MiB of
memory, or when its event loop was late by more than 100 ms once in a hundred times although it had a processor to itself.
`;

const MIB = 1024 * 1024;
const MOST_DELAY_MS = 100;
const MOST_RSS_BYTES = 512 * MIB;
const MOST_WAITED_SHARE = 0.05;
const FILE_BYTES = 4 * MIB;
const PER_UPLOAD = 2;
const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY' };
const BUCKET = 'demobucket';

interface Options {
  readonly minutes: number;
  readonly uploads: number;
  readonly connections: number;
  readonly json: string | undefined;
  readonly isBounded: boolean;
}

function readOptions(args: string[]): Options | undefined {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args,
    options: { minutes: text, uploads: text, connections: text, json: text, unbounded: yes, help: yes },
  });
  if (values.help) return undefined;
  const minutes = Number(values.minutes ?? 2);
  if (!(minutes > 0)) throw new Error(`--minutes must be a positive number, got ${values.minutes}`);
  return {
    minutes,
    uploads: whole('uploads', values.uploads, 200),
    connections: whole('connections', values.connections, 1000),
    json: values.json,
    isBounded: values.unbounded !== true,
  };
}

export async function main(args: string[]): Promise<void> {
  const options = readOptions(args);
  if (!options) return console.log(HELP);
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-load-'));
  try {
    await load(options, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function load(options: Options, folder: string): Promise<void> {
  const { uploads, connections } = options;
  const server = await serve(join(folder, 'store'), folder, 0, ['--quiet', '--metrics', '127.0.0.1:0'], {}, PROBE);
  // However this ends.
  process.once('exit', () => server.process.kill('SIGKILL'));
  const endMs = performance.now() + options.minutes * 60_000;
  const isOver = (): boolean => performance.now() > endMs;
  const progress = createProgressLine('seconds', Math.round(options.minutes * 60));
  const done = { uploads: 0, bytes: 0, visits: 0 };
  const errors: Record<string, number> = {};
  const failed = (what: string): void => {
    errors[what] = (errors[what] ?? 0) + 1;
  };

  const content = randomBytes(FILE_BYTES);
  const common = {
    endpoint: server.endpoint,
    appId: ACCOUNT.appId,
    bucket: BUCKET,
    signer: createSigner({ ...ACCOUNT, bucket: BUCKET, bound: false }),
    // That a server has much to do is no reason to send again.
    timeouts: { connectMs: 60_000, responseMs: 120_000, noProgressMs: 120_000 },
    resume: false,
  } as const;
  const client = createClient(common);
  const uploader = async (lane: number): Promise<void> => {
    for (let round = 0; !isOver(); round += 1) {
      const path = `load/${lane}/${round}.bin`;
      const error = await uploadFile(content, { ...common, path, concurrency: PER_UPLOAD }).done.then(
        () => client.remove(path),
        (reason) => reason,
      );
      if (error) failed(isCosSliceError(error) ? `upload: ${error.code}: ${error.message}` : String(error));
      done.uploads += 1;
      done.bytes += FILE_BYTES;
    }
  };
  const visitors = createVisitors(server.endpoint, ACCOUNT, BUCKET, {
    visited: () => {
      done.visits += 1;
    },
    failed,
  });
  let mostSockets = 0;
  const observer = async (): Promise<void> => {
    for (let seconds = 0; !isOver(); seconds += 1) {
      mostSockets = Math.max(mostSockets, (await openFiles(server.process.pid)).sockets);
      progress.show(seconds, `${done.uploads} uploads, ${done.visits} visits, ${mostSockets} sockets`);
      await delay(1000);
    }
  };

  // What starting takes is not what is looked for.
  await askHeld(server.process);
  const waitedBeforeMs = await waitedMs(server.process.pid);
  const startedAtMs = performance.now();
  await Promise.all([
    ...Array.from({ length: uploads }, (_, lane) => uploader(lane)),
    ...Array.from({ length: Math.max(0, connections - uploads * PER_UPLOAD) }, () => visitors.visit(isOver)),
    observer(),
  ]);
  const seconds = (performance.now() - startedAtMs) / 1000;
  progress.end();
  const waitedShare = ((await waitedMs(server.process.pid)) - waitedBeforeMs) / 1000 / seconds;
  const { delayMs, rssBytes } = await askHeld(server.process);
  const peakBytes = await peakRssBytes(server.process.pid);
  const refused = await refusals(server.stdout);
  visitors.close();
  server.process.kill('SIGTERM');
  const end = await server.ended;

  const defects = Object.entries(errors).map(([what, count]) => `${count} times: ${what}`);
  defects.push(...refused.bad);
  if (end !== 0) defects.push(`the server ends with ${end}`);
  if (server.stderr.replace(/^stopping: .*\n/, '') !== '') defects.push(`the server says: ${server.stderr}`);
  // A thread that gets no processor is late, whatever it does.
  const isTold = waitedShare < MOST_WAITED_SHARE;
  if (options.isBounded && isTold && delayMs.p99 > MOST_DELAY_MS)
    defects.push(`the event loop is late by ${delayMs.p99} ms`);
  if (options.isBounded && peakBytes > MOST_RSS_BYTES) defects.push(`the server has had ${peakBytes} bytes of memory`);
  const figures = {
    seconds: Math.round(seconds),
    ...done,
    mostSockets,
    busy: refused.busy,
    delayMs,
    waitedShare,
    rssBytes,
    peakBytes,
    defects,
  };
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(figures, null, 2)}\n`);
  report(figures);
}

/** What the server has answered, by its own count: 200, or 503 on purpose, and nothing else. */
async function refusals(said: string): Promise<{ readonly busy: number; readonly bad: string[] }> {
  const [, url = ''] = /^metrics at (\S+)/m.exec(said) ?? [];
  if (url === '') return { busy: 0, bad: [] };
  const text = await (await fetch(url)).text();
  let busy = 0;
  const bad: string[] = [];
  for (const line of text.split('\n')) {
    const [, op, status, code, count] =
      /^cos_slice_requests_total\{op="(.*)",status="(\d+)",code="(.*)"\} (\d+)/.exec(line) ?? [];
    if (op === undefined || status === '200') continue;
    if (status === '503' && code === '-5997') busy += Number(count);
    else bad.push(`${op} was answered ${status} (${code}) ${count} times`);
  }
  return { busy, bad };
}

function report(figures: {
  readonly seconds: number;
  readonly uploads: number;
  readonly bytes: number;
  readonly visits: number;
  readonly mostSockets: number;
  readonly busy: number;
  readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly waitedShare: number;
  readonly rssBytes: number;
  readonly peakBytes: number;
  readonly defects: readonly string[];
}): void {
  const { seconds, uploads, bytes, visits, mostSockets, busy, delayMs, waitedShare, rssBytes, peakBytes, defects } =
    figures;
  const mib = (count: number): string => `${(count / MIB).toFixed(0)} MiB`;
  console.log(
    formatTable([
      ['load', ''],
      ['time', `${seconds} s`],
      ['uploads', `${uploads} (${mib(bytes)}, ${mib(bytes / seconds)}/s)`],
      ['other requests', String(visits)],
      ['sockets of the server at most', String(mostSockets)],
      ['refused with 503', String(busy)],
      [
        "the server's event loop is late by",
        `${delayMs.p50.toFixed(1)} ms (p99 ${delayMs.p99.toFixed(1)}, at most ${delayMs.max.toFixed(0)})`,
      ],
      ['of the time it waited for a processor', `${(waitedShare * 100).toFixed(0)}%`],
      ['memory of the server', `${mib(rssBytes)}, at most ${mib(peakBytes)}`],
      ['defects', String(defects.length)],
    ]),
  );
  if (defects.length === 0) return;
  console.log(`\n${defects.slice(0, 30).join('\n')}`);
  process.exitCode = 1;
}
