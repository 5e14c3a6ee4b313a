import { createSeats, type Seats } from './http/seats.ts';
import { createLocker, type Locker } from './locker.ts';
import { createOnceRegister, type OnceRegister } from './signature/once.ts';
import type { Store, StoreLimits } from './store/store.ts';
import { createTally, type Tally } from './tally.ts';

/** One set of credentials and the buckets it may use. Several accounts may share an appid. */
export interface Account {
  readonly appId: string;
  readonly secretId: string;
  readonly secretKey: string;
  readonly buckets: readonly string[];
}

export interface SliceSizeOptions {
  /** Smallest slice a client may ask for. Default 64 KiB. */
  readonly minBytes?: number;
  /** Largest slice a client may ask for. Default 8 MiB. */
  readonly maxBytes?: number;
  /** Used when a client does not ask. Default 1 MiB. */
  readonly defaultBytes?: number;
  /** The slice size of every upload, whatever clients ask for. */
  readonly forcedBytes?: number;
}

/** What happened in one request. Holds no signature and no key. */
export interface RequestInfo {
  readonly method: string;
  readonly op: string | undefined;
  /** Decoded path below the bucket, when the address could be read. */
  readonly path: string | undefined;
  /** HTTP status; 0 when the connection broke before there was a reply. */
  readonly status: number;
  /** The protocol's code; 0 for success and for downloads. */
  readonly code: number;
  /** What clients are not told: the complaint of the storage below (-181), or what came instead of a request. */
  readonly fault: unknown;
  /** Bytes of the request body read before the reply. */
  readonly bytes: number;
  readonly durationMs: number;
}

export interface SliceServerOptions {
  readonly store: Store;
  readonly accounts: readonly Account[];
  /** What comes before `/<appid>/<bucket>/` in addresses. Default `/files/v2`; `''` is allowed. */
  readonly prefix?: string;
  /** Whether stored files can be downloaded without a signature. Default false. */
  readonly publicRead?: boolean;
  /**
   * Where clients see this server: what the URLs in replies begin with, in front of the path the server was asked at,
   * such as `https://files.example` or `https://example.com/cos`. Default: the request's Host, with http or https as
   * the connection has it.
   */
  readonly publicUrl?: string;
  /**
   * Whether a request's `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix` tell where clients see this server. Only for
   * a server that none but a proxy of yours can reach, and one that sets these headers. Default false.
   */
  readonly trustProxy?: boolean;
  readonly sliceSize?: SliceSizeOptions;
  /** Announces `serial_upload: 1` and refuses slices that come out of order. Default false. */
  readonly serialUpload?: boolean;
  /**
   * Which objects an instant upload may copy: those that the request's signature covers, or all of the bucket. A signature
   * bound to a folder could otherwise turn a SHA-1 into content that it may not read. Default `'covered'`; with `publicRead`
   * it makes no difference.
   */
  readonly instantFrom?: 'covered' | 'bucket';
  /** Lets one request at a time change a path. Default: within this process. Servers that share a store may share one. */
  readonly locker?: Locker;
  /** Remembers used one-time signatures. Default: the store's, or in memory. Servers that share accounts should share one. */
  readonly onceRegister?: OnceRegister;
  /** How long an upload may rest before it is dropped. Default 7 days. */
  readonly sessionTtlMs?: number;
  /** Connections that `listen` keeps at a time; more are closed as they come. Default 1000. */
  readonly maxConnections?: number;
  /**
   * Requests with a body that are answered at a time; no client has more than half of them. Others wait their turn with their
   * body unread, whoever has the fewest under way first; what waits for 10 seconds is refused with 503. Default 500.
   */
  readonly maxRequests?: number;
  /** Unfinished uploads of a bucket; more are refused with 503 until some are finished, deleted or dropped. Default 10,000. */
  readonly maxSessions?: number;
  /** Bytes of the files that they will be, together. Default: no limit. */
  readonly maxSessionBytes?: number;
  /** The clock for signatures, sessions and the Date header, in milliseconds since 1970. Default `Date.now`. */
  readonly nowMs?: () => number;
  /** Called after each reply. Must not throw. */
  readonly onRequest?: (info: RequestInfo) => void;
}

export interface Settings {
  readonly store: Store;
  readonly accountsBySecretId: ReadonlyMap<string, Account>;
  readonly prefix: string;
  readonly publicRead: boolean;
  readonly publicUrl: string | undefined;
  readonly trustProxy: boolean;
  readonly sliceSize: Required<Omit<SliceSizeOptions, 'forcedBytes'>> & Pick<SliceSizeOptions, 'forcedBytes'>;
  readonly serialUpload: boolean;
  readonly instantFrom: 'covered' | 'bucket';
  readonly locker: Locker;
  readonly onceRegister: OnceRegister;
  readonly sessionTtlMs: number;
  readonly maxConnections: number;
  readonly seats: Seats;
  readonly tally: Tally;
  readonly nowMs: () => number;
  readonly onRequest: (info: RequestInfo) => void;
}

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$/;
const PREFIX = /^(\/[\w.-]+)+$/;
const KIB = 1024;

/** Fills in the defaults. @throws TypeError that names every option that cannot be used */
export function readOptions(options: SliceServerOptions): Settings {
  const issues = findIssues(options);
  if (issues.length > 0) throw new TypeError(`createSliceServer: ${issues.join('; ')}`);
  return {
    store: options.store,
    accountsBySecretId: new Map(options.accounts.map((account) => [account.secretId, account])),
    prefix: options.prefix ?? '/files/v2',
    publicRead: options.publicRead ?? false,
    publicUrl: options.publicUrl?.replace(/\/$/, ''),
    trustProxy: options.trustProxy ?? false,
    sliceSize: fillSliceSize(options.sliceSize),
    serialUpload: options.serialUpload ?? false,
    instantFrom: options.instantFrom ?? 'covered',
    locker: options.locker ?? createLocker(),
    onceRegister: options.onceRegister ?? options.store.onceRegister ?? createOnceRegister(),
    sessionTtlMs: options.sessionTtlMs ?? 7 * 24 * 3600 * 1000,
    maxConnections: options.maxConnections ?? 1000,
    tally: createTally({
      maxSessions: options.maxSessions ?? 10_000,
      maxSessionBytes: options.maxSessionBytes ?? Number.POSITIVE_INFINITY,
    }),
    seats: createSeats(options.maxRequests ?? 500),
    nowMs: options.nowMs ?? Date.now,
    onRequest: options.onRequest ?? (() => {}),
  };
}

/** Sizes that are undefined, which JavaScript lets through, are as good as left out. */
function fillSliceSize({
  minBytes,
  maxBytes,
  defaultBytes,
  forcedBytes,
}: SliceSizeOptions = {}): Settings['sliceSize'] {
  return {
    minBytes: minBytes ?? 64 * KIB,
    maxBytes: maxBytes ?? 8192 * KIB,
    defaultBytes: defaultBytes ?? 1024 * KIB,
    ...(forcedBytes !== undefined && { forcedBytes }),
  };
}

/** What cannot be used, JavaScript's liberties included: `'false'` is true, and the number 1 looks like the text '1'. */
function findIssues(options: SliceServerOptions): string[] {
  const issues: string[] = [];
  const { accounts, prefix, publicUrl, sliceSize } = options;
  const expect = (name: string, value: unknown, isGood: (value: unknown) => boolean, what: string): void => {
    if (value !== undefined && !isGood(value)) issues.push(`${name}: must be ${what}`);
  };
  const isPositive = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
  const isFunction = (value: unknown): boolean => typeof value === 'function';

  if (typeof options.store?.createSession !== 'function')
    issues.push('store: one is needed, fileStore(dir) for example');
  if (Array.isArray(accounts) && accounts.length > 0) issues.push(...accountIssues(accounts));
  else issues.push('accounts: at least one is needed, in an array');
  expect(
    'prefix',
    prefix,
    (value) => value === '' || isText(value, PREFIX),
    'empty or like /files/v2, with no slash at its end',
  );
  expect('publicUrl', publicUrl, isPublicUrl, 'an http or https URL without credentials, query and fragment');
  for (const name of ['publicRead', 'trustProxy', 'serialUpload'] as const) {
    expect(name, options[name], (value) => typeof value === 'boolean', 'true or false');
  }
  expect('sliceSize', sliceSize, (value) => typeof value === 'object' && value !== null, 'an object');
  for (const name of ['minBytes', 'maxBytes', 'defaultBytes', 'forcedBytes'] as const) {
    expect(`sliceSize.${name}`, sliceSize?.[name], isPositive, 'a positive whole number');
  }
  const { minBytes, maxBytes } = fillSliceSize(sliceSize ?? {});
  if (minBytes > maxBytes) issues.push('sliceSize: minBytes exceeds maxBytes');
  issues.push(...limitIssues(options.store?.limits, sliceSize?.forcedBytes, maxBytes));
  for (const name of ['sessionTtlMs', 'maxConnections', 'maxRequests', 'maxSessions', 'maxSessionBytes'] as const) {
    expect(name, options[name], isPositive, 'a positive whole number');
  }
  expect(
    'instantFrom',
    options.instantFrom,
    (value) => value === 'covered' || value === 'bucket',
    "'covered' or 'bucket'",
  );
  expect(
    'locker',
    options.locker,
    (value) => isFunction((value as Locker)?.withLock),
    'an object with a method withLock',
  );
  expect(
    'onceRegister',
    options.onceRegister,
    (value) => isFunction((value as OnceRegister)?.use),
    'an object with a method use',
  );
  for (const name of ['nowMs', 'onRequest'] as const) expect(name, options[name], isFunction, 'a function');
  return issues;
}

/** Sizes that no slice could have, whatever clients ask for. */
function limitIssues(limits: StoreLimits | undefined, forcedBytes: number | undefined, maxBytes: number): string[] {
  if (!limits) return [];
  const { minSliceBytes, maxSliceBytes } = limits;
  const isKept =
    forcedBytes === undefined
      ? maxBytes >= minSliceBytes
      : forcedBytes >= minSliceBytes && forcedBytes <= maxSliceBytes;
  if (isKept) return [];
  const name = forcedBytes === undefined ? 'maxBytes' : 'forcedBytes';
  return [`sliceSize.${name}: the store keeps slices of ${minSliceBytes} to ${maxSliceBytes} bytes`];
}

function accountIssues(accounts: readonly Account[]): string[] {
  const issues: string[] = [];
  for (const account of accounts) {
    const { appId, secretId, secretKey, buckets } = account ?? {};
    for (const [name, value] of Object.entries({ secretId, secretKey })) {
      // What an unset variable is in JavaScript would sign, too.
      if (typeof value !== 'string' || value === '') issues.push(`accounts: ${name} must be text that is not empty`);
      // Files end in a line break, and so do the keys that are read from them.
      else if (value !== value.trim()) issues.push(`accounts: ${name} begins or ends in white space: trim it`);
    }
    if (!isText(appId, NAME)) issues.push(`accounts: ${show(appId)} cannot be an appid`);
    if (!Array.isArray(buckets)) issues.push('accounts: buckets must be an array of names');
    else for (const name of buckets) if (!isText(name, NAME)) issues.push(`accounts: ${show(name)} cannot be a bucket`);
  }
  if (new Set(accounts.map((account) => account?.secretId)).size !== accounts.length) {
    issues.push('accounts: a secretId is used twice');
  }
  return issues;
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

function isPublicUrl(value: unknown): boolean {
  return isText(value, /^https?:\/\/[^/?#@\s\\]+(\/[^?#\s\\]*)?$/i) && URL.canParse(value as string);
}

function show(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(value)
    : `a value of type ${value === null ? 'null' : typeof value}`;
}
