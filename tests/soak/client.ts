// A process that uploads what it is told to, and says all that happens.
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  createClient,
  createFileResumeStore,
  createSigner,
  isCosSliceError,
  type Upload,
  type UploadSource,
  uploadFile,
} from '@cos-slice/node';
import { type Ended, RETRY, timeoutsOf } from './limits.ts';
import { contentOf, type UploadPlan } from './plan.ts';

export interface ClientJob {
  readonly seed: number;
  readonly endpoint: string;
  readonly patienceMs: number;
  readonly account: { readonly appId: string; readonly secretId: string; readonly secretKey: string };
  readonly bucket: string;
  readonly folder: string;
}

export type ToClient =
  | { readonly do: 'upload'; readonly plan: UploadPlan }
  | { readonly do: 'remove'; readonly plan: UploadPlan }
  | { readonly do: 'end' };

export type FromClient =
  | { readonly is: 'ready' }
  | { readonly is: 'event'; readonly path: string; readonly atMs: number; readonly text: string }
  | { readonly is: 'uploaded' | 'removed'; readonly path: string; readonly ended: Ended }
  /** Of the process: something that nobody has caught, or a warning. */
  | { readonly is: 'trouble'; readonly text: string };

const MOMENT_MS = 200;

const tell = (message: FromClient): void => void process.send?.(message);
const trouble = (text: string): void => tell({ is: 'trouble', text });
process.on('unhandledRejection', (error) => trouble(`unhandled rejection: ${(error as Error)?.stack ?? error}`));
process.on('uncaughtException', (error) => trouble(`uncaught exception: ${error.stack}`));
process.on('warning', (warning) => trouble(`warning: ${warning.stack}`));

/** Nobody is there any more to tell anything. */
const onOrphaned = (): never => process.exit(1);

function serve({ seed, endpoint, patienceMs, account, bucket, folder }: ClientJob): void {
  const target = { endpoint, appId: account.appId, bucket };
  const resume = createFileResumeStore({ dir: join(folder, 'state') });
  const signer = createSigner({ ...account, bucket });
  const common = { ...target, retry: RETRY, timeouts: timeoutsOf(patienceMs) };
  const client = createClient({ ...common, signer: createSigner({ ...account, bucket, bound: false }) });

  process.on('message', async (message: ToClient | string) => {
    if (typeof message === 'string') return;
    // What is left then is to end by itself.
    if (message.do === 'end') {
      process.off('disconnect', onOrphaned);
      return process.disconnect();
    }
    const { plan } = message;
    const { path } = plan;
    if (message.do === 'upload') tell({ is: 'uploaded', path, ended: await uploadAll(plan) });
    else tell({ is: 'removed', path, ended: await endOf(client.remove(path)) });
  });
  process.on('disconnect', onOrphaned);
  process.channel?.ref();

  /** As often as its user begins again. */
  async function uploadAll(plan: UploadPlan): Promise<Ended> {
    const content = contentOf(seed, plan);
    const file = join(tmpdir(), `upload-${plan.index}`);
    if (plan.source === 'file') await writeFile(file, content);
    let sentBytes = 0;
    let resumedBytes = 0;
    for (const breakAt of [...plan.breaks, undefined]) {
      const ended = await uploadOnce(plan, () => sourceOf(plan, content, file), breakAt);
      sentBytes += ended.sentBytes;
      resumedBytes = Math.max(resumedBytes, ended.resumedBytes);
      if (ended.code === 'broken') continue;
      if (plan.source === 'file') await rm(file);
      return { ...ended, sentBytes, resumedBytes };
    }
    throw new Error('the last run is not broken');
  }

  async function uploadOnce(plan: UploadPlan, source: () => UploadSource, breakAt: number | undefined): Promise<Ended> {
    const { path, integrity, sliceSize, concurrency } = plan;
    const happens = (text: string): void => tell({ is: 'event', path, atMs: Date.now(), text });
    const controller = new AbortController();
    happens('begins');
    const upload = uploadFile(source(), {
      ...common,
      signer,
      path,
      integrity,
      sliceSize,
      resume,
      signal: controller.signal,
      ...(concurrency !== undefined && { concurrency }),
    });
    const pauses = [...plan.pauses];
    let phase = '';
    let fraction = 0;
    upload.subscribe(({ progress }) => {
      if (progress.phase !== phase) happens(progress.phase);
      phase = progress.phase;
      if (progress.fraction < fraction || progress.fraction > 1)
        trouble(`${path}: progress goes from ${fraction} to ${progress.fraction}`);
      fraction = progress.fraction;
      const [pauseAt = 2] = pauses;
      if (fraction >= pauseAt && phase === 'sending') {
        pauses.shift();
        happens('is paused');
        upload.pause();
        setTimeout(() => upload.resume(), MOMENT_MS);
      }
      if (breakAt !== undefined && fraction >= breakAt && phase === 'sending') {
        happens('is cancelled');
        controller.abort(Object.assign(new Error('cancelled'), { code: 'broken' }));
      }
    });
    const ended = await endOf(upload.done, upload);
    happens(ended.code === undefined ? 'is done' : `ends with ${ended.code}: ${ended.message}`);
    return ended;
  }
}

function sourceOf({ source, sizeBytes }: UploadPlan, content: Buffer, file: string): UploadSource {
  if (source === 'file') return file;
  if (source === 'bytes') return content;
  return source === 'stream' ? { stream: streamOf(content), sizeBytes } : streamOf(content);
}

function streamOf(content: Buffer): Readable {
  const PIECE_BYTES = 100_000;
  const count = Math.ceil(content.length / PIECE_BYTES);
  return Readable.from(
    Array.from({ length: count }, (_, at) => content.subarray(at * PIECE_BYTES, (at + 1) * PIECE_BYTES)),
    { objectMode: false },
  );
}

async function endOf(done: Promise<unknown>, upload?: Upload): Promise<Ended> {
  const error = await done.then(
    () => undefined,
    (reason) => reason,
  );
  const { sentBytes = 0, resumedBytes = 0 } = upload?.state.progress ?? {};
  if (error === undefined) return { sentBytes, resumedBytes };
  const code = isCosSliceError(error) || error.code === 'broken' ? error.code : String(error?.name);
  return { code, message: error?.message, sentBytes, resumedBytes };
}

serve(JSON.parse(process.argv[2] ?? ''));
tell({ is: 'ready' });
