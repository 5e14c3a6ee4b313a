import { CosSliceError, type OptionIssue } from './errors.ts';
import type { Limiter, ResumeStore, SignClaim, Signer } from './ports.ts';
import { createLimiter } from './upload/limiter.ts';
import type { UploadProgress } from './upload/progress.ts';
import type { Bounds } from './upload/window.ts';

/** Bytes that one `upload` request may carry (protocol section 1). */
export const SINGLE_REQUEST_LIMIT_BYTES: number = 20 * 1024 * 1024;
const MIN_SLICE_BYTES = 64 * 1024;
const MAX_SLICE_BYTES = 16 * 1024 * 1024;
const MAX_CONCURRENCY = 64;

/**
 * What is checked, and by whom, on the way:
 * - `none`: the size, by the server.
 * - `md5`: an MD5 of every slice, by the server; one that echoes it is checked in turn.
 * - `sha1`: SHA-1 of the whole content and of every slice in its place, by the server; makes instant upload possible.
 *   Costs a pass over the content before the first byte is sent.
 */
export type Integrity = 'none' | 'md5' | 'sha1';

export interface RetryOptions {
  /** Attempts for one request before the upload fails. Default 10. */
  readonly attempts?: number;
  /** Failed attempts in a row, over all slices, with nothing stored in between. Default 100. */
  readonly attemptsPerUpload?: number;
  /** The first pause is random in [0, baseDelayMs), each next one twice as long. Default 500 ms. */
  readonly baseDelayMs?: number;
  /** Default 30 000 ms. `Retry-After` may ask for more. */
  readonly maxDelayMs?: number;
}

export interface TimeoutOptions {
  /** Until the connection stands. Default 10 000 ms. */
  readonly connectMs?: number;
  /** From the last byte sent to the reply. Default 30 000 ms. */
  readonly responseMs?: number;
  /** Between two signs of progress while sending. Default 30 000 ms. */
  readonly noProgressMs?: number;
}

export interface UploadOptions {
  /** URL prefix before `/<appid>/<bucket>/<path>`: `cosEndpoint('sh')`, `http://127.0.0.1:9000/files/v2`. */
  readonly endpoint: string;
  readonly appId: string | number;
  readonly bucket: string;
  /** Object path in the bucket, as text (it is percent-encoded once, here). A leading slash is dropped. */
  readonly path: string;
  /** `createSigner(...)`, `remoteSigner(...)`, or a function that returns the signature. */
  readonly signer: Signer | ((claim: SignClaim, signal: AbortSignal) => string | Promise<string>);
  /**
   * Slice size to ask for, in bytes: 64 KiB to 16 MiB, a multiple of 64. Default 1 MiB. The server's answer wins. Real COS
   * takes 512 KiB, 1, 2 and 3 MiB.
   */
  readonly sliceSize?: number;
  /** Files up to this size go in one request, without a session. Default: `sliceSize`; at most 20 MB. */
  readonly singleRequestMax?: number;
  /**
   * Requests in flight: a fixed number, bounds for the adaptive window, or a limiter (`createLimiter`) that several uploads
   * share. Default `{ min: 1, max: 8 }`.
   */
  readonly concurrency?: number | Bounds | Limiter;
  readonly integrity?: Integrity;
  /** Replace what is at the path. Default false: error `exists`. */
  readonly overwrite?: boolean;
  /** Text stored with the object (`biz_attr`). */
  readonly attributes?: string;
  /**
   * Another content's unfinished upload at the path: `error` (default) fails with `conflict`; `restart` deletes what is at
   * the path and starts over.
   */
  readonly onConflict?: 'error' | 'restart';
  /** Where unfinished uploads are remembered; false: nowhere. */
  readonly resume?: ResumeStore | false;
  readonly retry?: RetryOptions;
  readonly timeouts?: TimeoutOptions;
  /** Cancels: `done` rejects with `signal.reason`. What the server has stays there for a later resume. */
  readonly signal?: AbortSignal;
  /** At most every 100 ms, and at every change of phase. */
  readonly onProgress?: (progress: UploadProgress) => void;
}

export interface Config {
  readonly endpoint: string;
  readonly appId: string;
  readonly bucket: string;
  readonly path: string;
  readonly signer: Signer;
  readonly sliceSizeBytes: number;
  readonly singleRequestMaxBytes: number;
  readonly limiter: Limiter;
  readonly integrity: Integrity;
  readonly overwrite: boolean;
  readonly attributes?: string;
  readonly onConflict: 'error' | 'restart';
  readonly resume: ResumeStore | false;
  readonly retry: Required<RetryOptions>;
  readonly timeouts: Required<TimeoutOptions>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: UploadProgress) => void;
}

/**
 * Checks and fills in options.
 *
 * @throws CosSliceError `invalid-options` with every issue found, not just the first
 */
export function parseOptions(options: UploadOptions): Config {
  const issues: OptionIssue[] = [];
  const issue = (option: string, message: string): void => {
    issues.push({ option, message });
  };
  const whole = (option: string, value: unknown, fallback: number, min: number, max: number, unit = ''): number => {
    if (value === undefined) return fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    issue(option, `must be a whole number from ${min} to ${max}${unit}, got ${show(value)}`);
    return fallback;
  };
  const choice = <T extends string>(option: string, value: unknown, allowed: readonly T[], fallback: T): T => {
    if (value === undefined) return fallback;
    const found = allowed.find((one) => one === value);
    if (found === undefined)
      issue(option, `must be ${allowed.map((one) => `'${one}'`).join(' or ')}, got ${show(value)}`);
    return found ?? fallback;
  };

  const endpoint = String(options.endpoint ?? '').replace(/\/+$/, '');
  const endpointProblem = checkEndpoint(endpoint);
  if (endpointProblem) issue('endpoint', endpointProblem);

  const appId = String(options.appId ?? '');
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(appId)) issue('appId', `must be the application's id, got ${show(options.appId)}`);

  const bucket = String(options.bucket ?? '');
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(bucket) || /^\.+$/.test(bucket)) {
    issue('bucket', `must be a bucket's name, got ${show(options.bucket)}`);
  }

  const path = typeof options.path === 'string' ? options.path.replace(/^\/+/, '') : '';
  const pathProblem = typeof options.path === 'string' ? checkPath(path) : `must be text, got ${show(options.path)}`;
  if (pathProblem) issue('path', pathProblem);

  const signer = toSigner(options.signer);
  if (!signer) issue('signer', 'must be a signer: createSigner(...), remoteSigner(...) or a function');

  const sliceSizeBytes = whole('sliceSize', options.sliceSize, 1024 * 1024, MIN_SLICE_BYTES, MAX_SLICE_BYTES, ' bytes');
  // SHA-1 has a chaining state only after whole 64-byte blocks.
  if (sliceSizeBytes % 64 !== 0) issue('sliceSize', `must be a multiple of 64 bytes, got ${sliceSizeBytes}`);
  const singleRequestMaxBytes = whole(
    'singleRequestMax',
    options.singleRequestMax,
    Math.min(sliceSizeBytes, SINGLE_REQUEST_LIMIT_BYTES),
    0,
    SINGLE_REQUEST_LIMIT_BYTES,
    ' bytes',
  );

  if (options.attributes !== undefined && typeof options.attributes !== 'string') {
    issue('attributes', `must be text, got ${show(options.attributes)}`);
  }
  if (options.overwrite !== undefined && typeof options.overwrite !== 'boolean') {
    issue('overwrite', `must be true or false, got ${show(options.overwrite)}`);
  }
  const resume = options.resume ?? false;
  if (resume !== false && typeof resume?.load !== 'function') issue('resume', 'must be a resume store or false');
  if (options.onProgress !== undefined && typeof options.onProgress !== 'function') {
    issue('onProgress', 'must be a function');
  }
  if (options.signal !== undefined && typeof options.signal?.addEventListener !== 'function') {
    issue('signal', 'must be an AbortSignal');
  }

  const retry = options.retry ?? {};
  const timeouts = options.timeouts ?? {};
  const day = 86_400_000;
  const limiter = toLimiter(options.concurrency, issue, whole);
  const config = {
    endpoint,
    appId,
    bucket,
    path,
    sliceSizeBytes,
    singleRequestMaxBytes,
    integrity: choice('integrity', options.integrity, ['none', 'md5', 'sha1'] as const, 'none'),
    overwrite: options.overwrite === true,
    ...(options.attributes === undefined ? {} : { attributes: options.attributes }),
    onConflict: choice('onConflict', options.onConflict, ['error', 'restart'] as const, 'error'),
    resume,
    retry: {
      attempts: whole('retry.attempts', retry.attempts, 10, 1, 1000),
      attemptsPerUpload: whole('retry.attemptsPerUpload', retry.attemptsPerUpload, 100, 1, 1_000_000),
      baseDelayMs: whole('retry.baseDelayMs', retry.baseDelayMs, 500, 0, day, ' ms'),
      maxDelayMs: whole('retry.maxDelayMs', retry.maxDelayMs, 30_000, 0, day, ' ms'),
    },
    timeouts: {
      connectMs: whole('timeouts.connectMs', timeouts.connectMs, 10_000, 1, day, ' ms'),
      responseMs: whole('timeouts.responseMs', timeouts.responseMs, 30_000, 1, day, ' ms'),
      noProgressMs: whole('timeouts.noProgressMs', timeouts.noProgressMs, 30_000, 1, day, ' ms'),
    },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  };
  if (issues.length > 0 || !signer || !limiter) {
    const text = issues.map((one) => `${one.option} ${one.message}`).join('; ');
    throw new CosSliceError('invalid-options', `invalid options: ${text}`, { issues });
  }
  return { ...config, signer, limiter };
}

/** The endpoint of a region of Tencent COS: `sh`, `gz`, `tj`, `cd`, ... */
export function cosEndpoint(region: string): string {
  if (!/^[a-z0-9-]+$/.test(region)) {
    throw new CosSliceError('invalid-options', `region must be a short name such as 'sh', got ${show(region)}`);
  }
  return `https://${region}.file.myqcloud.com/files/v2`;
}

function checkEndpoint(endpoint: string): string | undefined {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    return `must be a URL such as http://127.0.0.1:9000/files/v2, got ${show(endpoint)}`;
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `must start with http:// or https://, got ${show(endpoint)}`;
  if (url.search || url.hash || url.username || url.password)
    return 'must not contain a query, a fragment or credentials';
  return undefined;
}

/** @returns what is wrong with an object path (protocol section 1), or undefined */
function checkPath(path: string): string | undefined {
  if (path === '') return 'must name the object, got an empty path';
  if (path.endsWith('/')) return `must name an object, not a directory: ${show(path)}`;
  if (/[\p{Cc}]/u.test(path)) return 'must not contain control characters';
  const illegal = /[?*:|\\<>"]/.exec(path);
  if (illegal) return `must not contain ${illegal[0]} (nor any of ? * : | \\ < > "): ${show(path)}`;
  if (/\p{Cs}/u.test(path)) return 'must be well-formed Unicode text';
  const segment = path.split('/').find((one) => one === '' || one === '.' || one === '..');
  if (segment !== undefined)
    return `must not contain ${segment === '' ? 'an empty segment' : `the segment ${show(segment)}`}: ${show(path)}`;
  return undefined;
}

function toSigner(signer: UploadOptions['signer']): Signer | undefined {
  if (typeof signer === 'function') return { sign: async (claim, signal) => signer(claim, signal) };
  return typeof signer?.sign === 'function' ? signer : undefined;
}

function toLimiter(
  concurrency: UploadOptions['concurrency'],
  issue: (option: string, message: string) => void,
  whole: (option: string, value: unknown, fallback: number, min: number, max: number) => number,
): Limiter | undefined {
  if (typeof concurrency === 'object' && 'acquire' in concurrency) return concurrency;
  if (typeof concurrency === 'object' && concurrency !== null) {
    const min = whole('concurrency.min', concurrency.min, 1, 1, MAX_CONCURRENCY);
    const max = whole('concurrency.max', concurrency.max, 8, 1, MAX_CONCURRENCY);
    if (min > max) {
      issue('concurrency', `min must not be above max, got ${min} and ${max}`);
      return undefined;
    }
    return createLimiter({ min, max });
  }
  if (concurrency === undefined) return createLimiter({ min: 1, max: 8 });
  return createLimiter(whole('concurrency', concurrency, 1, 1, MAX_CONCURRENCY));
}

function show(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}...` : value)
    : String(value);
}
