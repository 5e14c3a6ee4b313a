import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSigner, type SignClaim } from '@cos-slice/node';
import { type Site, startSite } from '@cos-slice/testkit/site';
import { serve } from '../support/command.ts';
import { PROBE } from '../support/held.ts';
import type { ClientJob, FromClient, ToClient } from './client.ts';
import type { Ended } from './limits.ts';
import { type Line, type Mood, startLine } from './line.ts';
import { contentOf, type UploadPlan } from './plan.ts';
import type { Stories } from './stories.ts';

export const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY' };
export const BUCKET = 'demobucket';

type Served = Awaited<ReturnType<typeof serve>>;

export interface Server {
  readonly root: string;
  readonly tmp: string;
  readonly running: Served;
  /** Answers by status and code. */
  readonly answers: ReadonlyMap<string, number>;
  /** Everything that it has complained of. */
  readonly complaints: readonly string[];
  /** Ends it, and starts it again on its port. @returns how it ended */
  restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | string>;
  stop(): Promise<number | string>;
}

/** Not a complaint: what is under way has some time. */
const SAID_AT_END = /^stopping: /;

/** `2:00:00 upload "path" 200 0 3.1ms 1.0 MiB` */
const LOGGED = /^\S+ (\S+) (".*"|\S+) (\d{3}|cut-off) (-?\d+) /;

/** `cos-slice serve` as a process of its own. */
export async function startServer(folder: string, stories: Stories): Promise<Server> {
  const root = join(folder, 'store');
  const tmp = join(folder, 'server-tmp');
  await mkdir(tmp);
  const answers = new Map<string, number>();
  const complaints: string[] = [];
  const hear = (text: string): void => {
    const [, op, path = '', status, code] = LOGGED.exec(text) ?? [];
    if (op === undefined) return;
    const name = `${status} ${code}`;
    answers.set(name, (answers.get(name) ?? 0) + 1);
    // There is nothing wrong with the disk.
    if (status === '500') complaints.push(text);
    stories.tell(path.replace(/^"|"$/g, ''), `the server has ${op}: ${name}`);
  };
  const start = async (port: number): Promise<Served> => {
    const served = await serve(root, folder, port, ['--grace', '2'], { TMPDIR: tmp }, PROBE);
    served.process.stdout?.on('data', lines(hear));
    served.process.stderr?.on(
      'data',
      lines((text) => SAID_AT_END.test(text) || complaints.push(text)),
    );
    return served;
  };
  let running = await start(0);
  // However the soak ends.
  process.once('exit', () => running.process.kill('SIGKILL'));
  return {
    root,
    tmp,
    answers,
    complaints,
    get running() {
      return running;
    },
    async restart(signal) {
      running.process.kill(signal);
      const end = await running.ended;
      stories.tellAll(`the server has ended after ${signal}`);
      running = await start(running.port);
      stories.tellAll('the server is back');
      return end;
    },
    stop() {
      running.process.kill('SIGTERM');
      return running.ended;
    },
  };
}

function lines(take: (line: string) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const all = (rest + chunk).split('\n');
    rest = all.pop() ?? '';
    for (const line of all) take(line);
  };
}

export interface Client {
  readonly process: ChildProcess;
  readonly tmp: string;
  readonly state: string;
  upload(plan: UploadPlan): Promise<Ended>;
  remove(plan: UploadPlan): Promise<Ended>;
  /** Tells it that nothing more comes. @returns how it ended, or undefined when it has not by itself */
  end(): Promise<number | string | undefined>;
}

const END_MS = 60_000;

/** The process that uploads. @param file its program */
export async function startClient(
  file: string,
  job: ClientJob,
  stories: Stories,
  onTrouble: (text: string) => void,
): Promise<Client> {
  const tmp = join(job.folder, 'tmp');
  await mkdir(tmp, { recursive: true });
  const child = fork(file, [JSON.stringify(job)], {
    execArgv: ['--import', PROBE],
    env: { ...process.env, TMPDIR: tmp, XDG_STATE_HOME: join(job.folder, 'home') },
  });
  const waiting = new Map<string, (ended: Ended) => void>();
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the client has ended with ${code}`)));
    child.on('message', (message: FromClient) => {
      if (message.is === 'ready') resolve();
      else if (message.is === 'trouble') onTrouble(message.text);
      else if (message.is === 'event') stories.tell(message.path, message.text, message.atMs);
      else if (message.is !== undefined) waiting.get(`${message.is} ${message.path}`)?.(message.ended);
    });
  });
  const ask = (order: ToClient & { readonly plan: UploadPlan }): Promise<Ended> =>
    new Promise((resolve) => {
      waiting.set(`${order.do === 'upload' ? 'uploaded' : 'removed'} ${order.plan.path}`, resolve);
      child.send(order);
    });
  return {
    process: child,
    tmp,
    state: join(job.folder, 'state'),
    upload: (plan) => ask({ do: 'upload', plan }),
    remove: (plan) => ask({ do: 'remove', plan }),
    async end() {
      const ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
      child.send({ do: 'end' } satisfies ToClient);
      return Promise.race([ended, delay(END_MS, undefined, { ref: false })]);
    },
  };
}

/** The line, and what it carries goes into the stories. */
export function startStoriedLine(mood: Mood, port: number, stories: Stories): Promise<Line> {
  const before = `/files/v2/${ACCOUNT.appId}/${BUCKET}/`;
  return startLine(mood, port, ({ target, text, atMs }) => {
    const path = decodeURIComponent(target.split('?')[0] ?? '');
    if (path.startsWith(before)) stories.tell(path.slice(before.length), text, atMs);
  });
}

/** A page that uploads, its signatures, and the content that it asks for. */
export async function startPages(seed: number, script: string, plans: (index: number) => UploadPlan): Promise<Site> {
  const signer = createSigner({ ...ACCOUNT, bucket: BUCKET, folders: true });
  return startSite({
    scripts: new Map([['/page.js', script]]),
    // Only content: what is uploaded goes elsewhere.
    slices: (req, res) => {
      const index = Number(/^\/content\/(\d+)$/.exec(req.url ?? '')?.[1]);
      res.setHeader('Access-Control-Allow-Origin', '*').end(contentOf(seed, plans(index)));
    },
    sign: async (claim) => signer.sign(claim as SignClaim, new AbortController().signal),
  });
}
