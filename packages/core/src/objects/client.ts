import { systemClock } from '../clock.ts';
import { CosSliceError, type OptionIssue } from '../errors.ts';
import type { Config, UploadOptions } from '../options/options.ts';
import { parseOptions } from '../options/options.ts';
import type { Limiter, Platform } from '../ports.ts';
import type { Authority, Entry, FileEntry } from '../protocol/entry.ts';
import type { Changes, Done, ListOrder, ListPattern, Page } from '../protocol/object-operations.ts';
import type { ObjectLocation } from '../protocol/operations.ts';
import { createDownload, type Download, type DownloadOptions, type Sink } from './download.ts';
import { watchPages } from './pages.ts';
import { createPerformer, objectsOf } from './perform.ts';
import { createPersist } from './persist.ts';

/** What an upload wants, without what is one object's. `overwrite` and others are the defaults of the client's uploads. */
export type ClientOptions = Omit<UploadOptions, 'path' | 'attributes' | 'signal' | 'onProgress'>;

export interface CallOptions {
  /** Cancels: the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  /** Default `both`. */
  readonly pattern?: ListPattern;
  /** Of names. Default `ascending`. */
  readonly order?: ListOrder;
  /** Entries asked for at once: 1 to 199. Default 199. */
  readonly pageSize?: number;
  /** Where to go on: `Page.context` of an earlier page of the same list. */
  readonly context?: string;
}

export interface TransferOptions extends CallOptions {
  /** Replace a file that is at the target. Default false: error `exists`. */
  readonly overwrite?: boolean;
  /** Another bucket of the same server for the target, on the XML API of COS and on S3. Default: the same bucket. */
  readonly bucket?: string;
}

/**
 * What can be done with objects that are there. Paths are text, not encoded; a directory's ends in a slash, and `''` is the
 * bucket. Every call has the retries, timeouts and signatures of uploads, and rejects with a CosSliceError: `invalid-options`
 * for a path that cannot be, `not-found`, `wrong-kind` where the path leads to a directory and a file is wanted, or the reverse.
 */
export interface ObjectClient {
  /** What is at the path: a file, or, with a slash at its end, a directory. */
  stat(path: string, options?: CallOptions): Promise<Entry>;
  /**
   * What is directly in a directory (`films/`), or what is there and begins like the path (`films/2024-`). Asks for pages as
   * they are needed. Entries that come or go meanwhile may be in it or not; all others are, once.
   */
  list(path: string, options?: ListOptions): AsyncGenerator<Entry, void, undefined>;
  /** One page of `list`. */
  listPage(path: string, options?: ListOptions): Promise<Page>;
  /** @throws CosSliceError `exists` when it, or a file of its name, is there */
  createDirectory(path: string, options?: CallOptions & { readonly attributes?: string }): Promise<void>;
  /** Removes a file or an empty directory. @throws CosSliceError `not-empty` */
  remove(path: string, options?: CallOptions): Promise<void>;
  /** Moves a file, or a directory where both paths end in a slash. @throws CosSliceError `exists` */
  move(from: string, to: string, options?: TransferOptions): Promise<void>;
  /** Copies a file. @throws CosSliceError `exists` */
  copy(from: string, to: string, options?: TransferOptions): Promise<void>;
  /** Changes what is stored with a file, or a directory's `attributes`. */
  update(path: string, changes: Changes, options?: CallOptions): Promise<void>;
  /**
   * The URL to download a file from. It is signed, for as long as the signer's signatures live, and for this file only.
   *
   * @param options `signed: false`: without a signature, for what everybody may read
   */
  downloadUrl(path: string, options?: CallOptions & { readonly signed?: boolean }): Promise<string>;
}

/** What a platform builds its own client on. */
export interface ClientCore extends ObjectClient {
  /**
   * Downloads a file.
   *
   * @param options `known`: what `stat` has told of it, which is not asked for again
   * @throws CosSliceError `invalid-options`
   */
  downloadTo(sink: Sink, path: string, options?: DownloadOptions & { readonly known?: FileEntry }): Download;
  readonly config: Config;
  /** Shared by all that the client does. */
  readonly limiter: Limiter;
}

const MAX_PAGE_SIZE = 199;
const PATTERNS: readonly ListPattern[] = ['both', 'files', 'directories'];
const ORDERS: readonly ListOrder[] = ['ascending', 'descending'];
const AUTHORITIES: readonly Authority[] = ['inherit', 'private', 'public-read'];

/** @throws CosSliceError `invalid-options`, at once, with every issue */
export function createObjectClient<C>(options: ClientOptions, platform: Omit<Platform<C>, 'hasher'>): ClientCore {
  const { transport, network, clock = systemClock, random = Math.random } = platform;
  const config = parseOptions({ ...options, path: 'any' });
  const persist = createPersist({ config, clock, network, random });
  const { perform, authorizeDownload, presignDownload, learn } = createPerformer({ config, transport, clock, persist });
  const { appId, bucket } = config;
  const wire = objectsOf(config);

  /** The path as it is asked for. @throws CosSliceError `invalid-options` */
  const checked = (path: unknown, kind: 'file' | 'directory' | 'either' | 'prefix', name = 'path'): string => {
    const text = typeof path === 'string' ? path.replace(/^\/+/, '') : '';
    const issues: OptionIssue[] = [...wire.check({ ...config, path: text })];
    const isDirectory = text === '' || text.endsWith('/');
    if (typeof path !== 'string') issues.push({ option: name, message: 'must be text' });
    else if (kind === 'file' && isDirectory)
      issues.push({ option: name, message: 'must name a file, without a slash at its end' });
    else if (kind === 'directory' && !text.endsWith('/'))
      issues.push({ option: name, message: 'must name a directory, with a slash at its end' });
    else if (kind === 'either' && text === '') issues.push({ option: name, message: 'must not be empty' });
    refuse(issues.map((issue) => ({ ...issue, option: issue.option === 'path' ? name : issue.option })));
    return text;
  };

  const look = async (path: string, signal?: AbortSignal): Promise<Entry | undefined> => {
    const reply = await perform(path, { op: 'stat', path }, { signal });
    return reply.kind === 'described' ? reply.entry : undefined;
  };

  /** Nothing is at the path; perhaps because it is one of the other kind. */
  const nothingAt = async (path: string, signal?: AbortSignal, cause?: CosSliceError): Promise<CosSliceError> => {
    const isDirectory = path.endsWith('/');
    const other = isDirectory ? path.slice(0, -1) : `${path}/`;
    const found = path === '' ? undefined : await look(other, signal).catch(() => undefined);
    signal?.throwIfAborted();
    if (!found) return cause ?? new CosSliceError('not-found', `nothing is at ${JSON.stringify(path)}`);
    const what = isDirectory
      ? `a file is at ${JSON.stringify(other)}: leave the slash out`
      : `a directory is at ${JSON.stringify(other)}: give it with its slash, or the path of a file`;
    return new CosSliceError('wrong-kind', what, { cause });
  };

  const run: typeof perform = async (path, operation, context) => {
    try {
      return await perform(path, operation, context);
    } catch (error) {
      if (!(error instanceof CosSliceError) || error.code !== 'not-found') throw error;
      throw await nothingAt(path, context.signal, error);
    }
  };

  const transfer = async (op: 'move' | 'copy', from: string, to: string, options: TransferOptions): Promise<void> => {
    const { signal, overwrite = false, bucket: into = bucket } = options;
    const isOther = into !== bucket;
    const source = checked(from, op === 'copy' ? 'file' : 'either', 'from');
    const isDirectory = source.endsWith('/');
    const target = checked(to, isDirectory ? 'directory' : 'file', 'to');
    const issues: OptionIssue[] = [];
    if (typeof overwrite !== 'boolean') issues.push({ option: 'overwrite', message: 'must be true or false' });
    if (isOther && !(wire.copiesBetweenBuckets && typeof into === 'string')) {
      issues.push({ option: 'bucket', message: 'must be the same: this server copies within a bucket' });
    }
    if (!isOther && target === source) issues.push({ option: 'to', message: 'must be another path than from' });
    else if (!isOther && isDirectory && target.startsWith(source))
      issues.push({ option: 'to', message: 'must not be in the directory itself' });
    refuse(issues);
    const settle = async (): Promise<Done | undefined> => {
      // What is in another bucket is not asked for here.
      if (isOther) return undefined;
      const [before, after] = [await look(source, signal), await look(target, signal)];
      const isDone = op === 'move' ? !before && after : before && after && isSameContent(before, after);
      return isDone ? DONE : undefined;
    };
    await run(source, { op, to: { appId, bucket: into, path: target }, overwrite }, { signal, settle });
  };

  const listPage = async (path: string, options: ListOptions = {}): Promise<Page> => {
    const { pattern = 'both', order = 'ascending', pageSize = MAX_PAGE_SIZE, context, signal } = options;
    const asked = checked(path, 'prefix');
    const issues: OptionIssue[] = [];
    if (!PATTERNS.includes(pattern)) issues.push({ option: 'pattern', message: `must be ${PATTERNS.join(' or ')}` });
    if (!ORDERS.includes(order)) issues.push({ option: 'order', message: `must be ${ORDERS.join(' or ')}` });
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > MAX_PAGE_SIZE) {
      issues.push({ option: 'pageSize', message: `must be a whole number from 1 to ${MAX_PAGE_SIZE}` });
    }
    if (context !== undefined && (typeof context !== 'string' || context === '')) {
      issues.push({ option: 'context', message: 'must be the context of a page' });
    }
    refuse(issues);
    const page = await run(asked, { op: 'entries', path: asked, pattern, order, pageSize, context }, { signal });
    if (page.context !== undefined && page.context === context) {
      throw new CosSliceError('bad-reply', "the server's list leads from a page to the same one: begin it anew");
    }
    return page;
  };

  const find = async (path: string, signal?: AbortSignal): Promise<{ entry: FileEntry; address: string }> => {
    const entry = await look(path, signal);
    if (entry?.kind !== 'file') throw await nothingAt(path, signal);
    return { entry, address: addressOf(entry) };
  };

  return {
    config,
    limiter: config.limiter,
    async stat(path, { signal } = {}) {
      const asked = checked(path, 'prefix');
      const entry = await look(asked, signal);
      if (entry) return entry;
      throw await nothingAt(asked, signal);
    },
    listPage,
    async *list(path, options = {}) {
      let { context } = options;
      const watch = watchPages();
      do {
        const { context: _first, ...rest } = options;
        const page: Page = await listPage(path, { ...rest, ...(context !== undefined && { context }) });
        yield* page.entries;
        context = page.context;
        if (context !== undefined) watch(context);
      } while (context !== undefined);
    },
    async createDirectory(path, { signal, attributes } = {}) {
      const asked = checked(path, 'directory');
      refuse(textIssues({ attributes }));
      // That it is there is all that is wanted, when we may have made it.
      const settle = async (): Promise<Done | undefined> => ((await look(asked, signal)) ? DONE : undefined);
      await perform(asked, { op: 'create-directory', attributes }, { signal, settle });
    },
    async remove(path, { signal } = {}) {
      const asked = checked(path, 'either');
      const settle = async (): Promise<Done | undefined> => ((await look(asked, signal)) ? undefined : DONE);
      await run(asked, { op: 'remove' }, { signal, settle });
    },
    downloadTo(sink, path, options = {}) {
      const asked = checked(path, 'file');
      const parts = { config, transport, clock, persist, authorizeDownload, learn };
      const { known } = options;
      const look = async (signal: AbortSignal) =>
        known ? { entry: known, address: addressOf(known) } : find(asked, signal);
      return createDownload(sink, options, { ...parts, find: look });
    },
    move: (from, to, options = {}) => transfer('move', from, to, options),
    copy: (from, to, options = {}) => transfer('copy', from, to, options),
    async update(path, changes, { signal } = {}) {
      const asked = checked(path, 'either');
      refuse(changeIssues(changes, asked.endsWith('/')));
      const { attributes, authority, customHeaders } = changes;
      await run(asked, { op: 'update', attributes, authority, customHeaders }, { signal });
    },
    async downloadUrl(path, { signal, signed = true } = {}) {
      const asked = checked(path, 'file');
      const { address: url } = await find(asked, signal);
      if (!signed) return url;
      return persist(({ controller }) => presignDownload(asked, url, controller.signal), { signal });
    },
  };
}

const DONE: Done = { kind: 'done', location: { accessUrl: '', sourceUrl: '', url: '', resourcePath: '' } };

/** Addresses come with spaces and letters as they are in names. */
function addressOf({ accessUrl, sourceUrl, url, path }: ObjectLocation & { readonly path: string }): string {
  const address = accessUrl || sourceUrl || url;
  try {
    if (/^https?:\/\/[^/]/.test(address)) return new URL(address.replace(/#/g, '%23')).href;
  } catch {
    // Told below.
  }
  throw new CosSliceError('bad-reply', `the server tells no address to download ${JSON.stringify(path)} from`);
}

/** Known to hold the same bytes: the same size proves nothing. */
function isSameContent(one: Entry, other: Entry): boolean {
  if (one.kind !== 'file' || other.kind !== 'file' || one.sizeBytes !== other.sizeBytes) return false;
  if (one.sha1 !== undefined && other.sha1 !== undefined) return one.sha1 === other.sha1;
  return one.md5 !== undefined && one.md5 === other.md5;
}

function textIssues(given: Readonly<Record<string, unknown>>): OptionIssue[] {
  return Object.entries(given)
    .filter(([, value]) => value !== undefined && typeof value !== 'string')
    .map(([option]) => ({ option, message: 'must be text' }));
}

function changeIssues(changes: Changes, isDirectory: boolean): OptionIssue[] {
  const { attributes, authority, customHeaders } = changes ?? {};
  const issues = textIssues({ attributes });
  const given = [attributes, authority, customHeaders].some((one) => one !== undefined);
  if (!given) issues.push({ option: 'changes', message: 'must have attributes, authority or customHeaders' });
  if (isDirectory && (authority ?? customHeaders) !== undefined) {
    issues.push({ option: 'changes', message: 'must have only attributes: a directory has nothing else' });
  }
  if (authority !== undefined && !AUTHORITIES.includes(authority)) {
    issues.push({ option: 'authority', message: `must be ${AUTHORITIES.join(' or ')}` });
  }
  if (customHeaders !== undefined && (typeof customHeaders !== 'object' || customHeaders === null)) {
    issues.push({ option: 'customHeaders', message: 'must be an object of names and texts' });
  }
  for (const [name, value] of Object.entries(customHeaders ?? {})) {
    // What is sent as a header must not be able to end it.
    if (/^[\w!#$%&'*+.^`|~-]+$/.test(name) && typeof value === 'string' && !/[\r\n\0]/.test(value)) continue;
    issues.push({
      option: `customHeaders.${name}`.replace(/\s+/g, ' '),
      message: 'must be a header and its text, in one line',
    });
  }
  return issues;
}

/** @throws CosSliceError `invalid-options` with every issue, when there is one */
function refuse(issues: readonly OptionIssue[]): void {
  if (issues.length === 0) return;
  const text = issues.map(({ option, message }) => `${option} ${message}`).join('; ');
  throw new CosSliceError('invalid-options', `invalid options: ${text}`, { issues });
}
