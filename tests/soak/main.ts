import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createRandom } from '@cos-slice/testkit/simulated/random';
import { peakRssBytes } from '../support/held.ts';
import { createProgressLine, formatTable, whole } from '../support/terminal.ts';
import { filesLeft, letAnHourPass, lineLeft, moreThan, type Rest, restOf, untilNothing } from './left.ts';
import type { Ended } from './limits.ts';
import type { Line } from './line.ts';
import { type Lane, openChromium, type Pages } from './pages.ts';
import { contentOf, type From, planUpload, type UploadPlan } from './plan.ts';
import { createStories, type Stories } from './stories.ts';
import { ACCOUNT, BUCKET, type Client, type Server, startClient, startServer, startStoriedLine } from './world.ts';

const HELP = `Uploads files to a real server through a line that does everything wrong, and looks what is stored and what is left.

  npm run soak -- [options]

  --uploads N    uploads from Node.js (default 2000)
  --pages N      uploads from Chromium (default: a tenth of those)
  --seed N       what goes wrong, and when (default 1)
  --minutes N    begin no more after this time
  --parallel N   uploads at a time from Node.js (default 8), and half as many from Chromium
  --patience MS  until a request that hangs is tried again (default 1500); each try doubles it, up to 16 times
  --mild         no connection goes silent, which costs time
  --json FILE    write the figures to FILE
  --help

Exits with 1, the seed and the story of the first uploads that something is wrong with, or 0.
`;

/** An upload that takes longer does not end. */
const UPLOAD_MS = 10 * 60_000;
const STORIES_TOLD = 3;

interface Options {
  readonly uploads: number;
  readonly pages: number;
  readonly seed: number;
  readonly minutes: number;
  readonly parallel: number;
  readonly patienceMs: number;
  readonly isMild: boolean;
  readonly json: string | undefined;
}

function readOptions(args: string[]): Options | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      uploads: text,
      pages: text,
      seed: text,
      minutes: text,
      parallel: text,
      patience: text,
      json: text,
      mild: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const uploads = whole('uploads', values.uploads, 2000);
  return {
    uploads,
    pages: whole('pages', values.pages, Math.ceil(uploads / 10)),
    seed: whole('seed', values.seed, 1),
    minutes: whole('minutes', values.minutes, 24 * 60),
    parallel: whole('parallel', values.parallel, 8),
    isMild: values.mild === true,
    patienceMs: whole('patience', values.patience, 1500),
    json: values.json,
  };
}

/** @param files the client's program */
export async function main(args: string[], [clientFile = '']: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (!options) return console.log(HELP);
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-soak-'));
  try {
    await soak(options, folder, clientFile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface World {
  readonly options: Options;
  readonly stories: Stories;
  readonly server: Server;
  readonly line: Line;
  readonly client: Client;
  readonly pages: Pages | undefined;
  readonly defects: string[];
}

async function soak(options: Options, folder: string, clientFile: string): Promise<void> {
  const { seed, uploads, pages: fromPages } = options;
  const startedAtMs = performance.now();
  const stories = createStories();
  const defects: string[] = [];
  const server = await startServer(folder, stories);
  const line = await startStoriedLine({ seed, isMild: options.isMild }, server.running.port, stories);
  const endpoint = `${line.url}/files/v2`;
  const { patienceMs } = options;
  const job = { seed, endpoint, patienceMs, account: ACCOUNT, bucket: BUCKET, folder };
  const client = await startClient(clientFile, job, stories, (text) => defects.push(`the client: ${text}`));
  const planOf = (index: number): UploadPlan => planUpload(seed, 'chromium', index);
  const pages = fromPages > 0 ? await openChromium(seed, job, planOf, stories) : undefined;
  const world: World = { options, stories, server, line, client, pages, defects };

  const before = { client: await restOf(client.process), server: await restOf(server.running.process) };
  const counts = await uploadAll(world);
  const uploadedAtMs = performance.now();
  const left = await lookWhatIsLeft(world, before, counts.lanes);
  defects.push(...left.map((what) => `left: ${what}`));
  const memory = {
    clientRssBytes: await peakRssBytes(client.process.pid),
    serverRssBytes: await peakRssBytes(server.running.process.pid),
  };
  const clientEnd = await client.end();
  if (clientEnd !== 0)
    defects.push(
      `the client's process ${clientEnd === undefined ? 'does not end by itself' : `ends with ${clientEnd}`}`,
    );
  if (clientEnd === undefined) client.process.kill('SIGKILL');
  const serverEnd = await server.stop();
  if (serverEnd !== 0) defects.push(`the server ends with ${serverEnd}`);
  defects.push(...server.complaints.map((text) => `the server says: ${text}`));
  await line.close();

  const { lanes: _, ...figures } = counts;
  const seconds = (uploadedAtMs - startedAtMs) / 1000;
  const summary = {
    seed,
    uploads: { node: Math.min(uploads, counts.done.node), chromium: counts.done.chromium },
    ...figures,
    ...memory,
    seconds: Math.round(seconds),
    connections: line.connections,
    faults: Object.fromEntries(line.struck),
    answers: Object.fromEntries(server.answers),
    defects,
  };
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(summary, null, 2)}\n`);
  report(summary);
}

interface Counts {
  readonly done: Record<From, number>;
  contentBytes: number;
  sentBytes: number;
  resumedBytes: number;
  readonly errors: Record<string, number>;
  restarts: number;
  readonly lanes: readonly Lane[];
}

async function uploadAll(world: World): Promise<Counts> {
  const { options, stories, server, pages, defects } = world;
  const { seed, uploads, pages: fromPages, minutes, parallel } = options;
  const random = createRandom(seed);
  const endAtMs = performance.now() + minutes * 60_000;
  const lanes: Lane[] = [];
  const counts: Counts = {
    done: { node: 0, chromium: 0 },
    contentBytes: 0,
    sentBytes: 0,
    resumedBytes: 0,
    errors: {},
    restarts: 0,
    lanes,
  };
  const underWay = new Set<UploadPlan>();
  const onInterrupt = (): void => {
    for (const plan of underWay) console.log(`\n${JSON.stringify(plan)}\n${stories.of(plan.path)}`);
    process.exit(130);
  };
  process.once('SIGINT', onInterrupt);
  const progress = createProgressLine('uploads', uploads + fromPages);
  let told = 0;
  const isWrong = (plan: UploadPlan, what: string): void => {
    defects.push(`${plan.path}: ${what}`);
    if (told++ >= STORIES_TOLD) return;
    progress.print(`\nseed ${seed}: ${plan.path}: ${what}\n${JSON.stringify(plan)}\n${stories.of(plan.path)}\n`);
  };

  /** Servers are stopped and killed in turn, some times on the way. */
  const restartEvery = Math.max(10, Math.floor((uploads + fromPages) / 8));
  let restarting: Promise<void> = Promise.resolve();
  const count = (plan: UploadPlan, { code, sentBytes, resumedBytes }: Ended): void => {
    counts.done[plan.from] += 1;
    counts.contentBytes += plan.sizeBytes;
    counts.sentBytes += sentBytes;
    counts.resumedBytes += resumedBytes;
    if (code !== undefined) counts.errors[code] = (counts.errors[code] ?? 0) + 1;
    const all = counts.done.node + counts.done.chromium;
    progress.show(all, `${counts.restarts} restarts, ${sum(world.line.struck)} faults`);
    if (all % restartEvery !== 0) return;
    counts.restarts += 1;
    const signal = random.pick(['SIGTERM', 'SIGKILL'] as const);
    restarting = restarting.then(async () => {
      const end = await server.restart(signal);
      if (signal === 'SIGTERM' && end !== 0) defects.push(`the server ends with ${end} when told to`);
    });
  };

  const one = async (plan: UploadPlan, upload: () => Promise<Ended>): Promise<void> => {
    underWay.add(plan);
    const ended = await endsInTime(upload()).finally(() => underWay.delete(plan));
    if (!ended) return isWrong(plan, 'has not ended');
    count(plan, ended);
    // Where the browser takes longer to note that finish is under way than finish waits for it, the next page meets its own object.
    const meetsItself = ended.code === 'exists' && plan.from === 'chromium' && plan.breaks.length > 0;
    if (ended.code !== undefined && !meetsItself) return isWrong(plan, `ends with ${ended.code}: ${ended.message}`);
    const stored = await readFile(join(server.root, ACCOUNT.appId, BUCKET, plan.path)).catch(() => undefined);
    if (!stored) return isWrong(plan, 'was told to be stored, and is not');
    if (digest(stored) !== digest(contentOf(seed, plan))) return isWrong(plan, 'is stored with other content');
    const removed = await endsInTime(world.client.remove(plan));
    if (removed?.code !== undefined || !removed) return isWrong(plan, `cannot be removed: ${removed?.message}`);
    if (existsSync(join(server.root, ACCOUNT.appId, BUCKET, plan.path)))
      return isWrong(plan, 'was told to be removed, and is not');
    stories.forget(plan.path);
  };

  const run = async (
    from: From,
    total: number,
    next: { index: number },
    upload: (plan: UploadPlan) => Promise<Ended>,
  ) => {
    while (next.index < total && performance.now() < endAtMs) {
      const plan = planUpload(seed, from, next.index++);
      await one(plan, () => upload(plan));
    }
  };
  const inNode = { index: 0 };
  const inChromium = { index: 0 };
  const running = Array.from({ length: parallel }, () => run('node', uploads, inNode, world.client.upload));
  for (let lane = 0; pages && lane < Math.ceil(parallel / 2); lane += 1) {
    running.push(
      pages.open().then(async (opened) => {
        lanes.push(opened);
        await run('chromium', fromPages, inChromium, opened.upload);
        defects.push(...(await opened.troubles()));
      }),
    );
  }
  await Promise.all(running);
  await restarting;
  process.off('SIGINT', onInterrupt);
  progress.end();
  return counts;
}

async function endsInTime(done: Promise<Ended>): Promise<Ended | undefined> {
  const over = new AbortController();
  const late = delay(UPLOAD_MS, undefined, { signal: over.signal }).catch(() => undefined);
  return Promise.race([done, late]).finally(() => over.abort());
}

async function lookWhatIsLeft(
  { client, server, line, pages }: World,
  before: { readonly client: Rest; readonly server: Rest },
  lanes: readonly Lane[],
): Promise<string[]> {
  createProgressLine('', 0).show(0, 'looking what is left');
  await letAnHourPass(server);
  await server.restart('SIGTERM');
  const left = await Promise.all([
    untilNothing(async () => moreThan(before.client, await restOf(client.process))).then(named('the client')),
    untilNothing(async () => moreThan(before.server, await restOf(server.running.process))).then(named('the server')),
    untilNothing(() => filesLeft(client, server)),
    untilNothing(async () => (await Promise.all(lanes.map((lane) => lane.left()))).flat()),
  ]);
  // Browsers keep their connections for minutes.
  await pages?.close();
  return [...left.flat(), ...(await untilNothing(async () => lineLeft(line)))];
}

const named =
  (whose: string) =>
  (left: readonly string[]): string[] =>
    left.map((what) => `${whose} has ${what}`);

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, one) => all + one, 0);

type Summary = Omit<Counts, 'done' | 'lanes'> & {
  readonly seed: number;
  readonly uploads: Record<From, number>;
  readonly seconds: number;
  readonly connections: number;
  readonly clientRssBytes: number;
  readonly serverRssBytes: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly answers: Readonly<Record<string, number>>;
  readonly defects: readonly string[];
};

function report(summary: Summary): void {
  const { seed, uploads, contentBytes, sentBytes, resumedBytes, defects, errors, faults, answers } = summary;
  const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  const again = contentBytes === 0 ? 0 : Math.max(0, sentBytes - contentBytes) / contentBytes;
  const rows = (counts: Readonly<Record<string, number>>): [string, string][] =>
    Object.entries(counts)
      .sort(([, one], [, other]) => other - one)
      .map(([name, count]) => [name, String(count)]);
  console.log(formatTable([['the line', 'times'], ...rows(faults)]));
  console.log(formatTable([['the server has answered (status, code)', 'times'], ...rows(answers)]));
  console.log(
    formatTable([
      [`seed ${seed}`, ''],
      ['uploads from Node.js', String(uploads.node)],
      ['uploads from Chromium', String(uploads.chromium)],
      ['content', mib(contentBytes)],
      ['sent again', `${mib(Math.max(0, sentBytes - contentBytes))} (${(again * 100).toFixed(1)}%)`],
      ['gone on with after a break', mib(resumedBytes)],
      ['connections', String(summary.connections)],
      ['servers stopped or killed', String(summary.restarts)],
      [
        'uploads that ended with an error',
        rows(errors)
          .map(([code, count]) => `${code} ${count}`)
          .join(', ') || '0',
      ],
      ['most memory of the client', mib(summary.clientRssBytes)],
      ['most memory of the server', mib(summary.serverRssBytes)],
      ['time', `${summary.seconds} s`],
      ['defects', String(defects.length)],
    ]),
  );
  if (defects.length === 0) return;
  console.log(`\nseed ${seed} finds:\n${defects.slice(0, 30).join('\n')}`);
  process.exitCode = 1;
}
