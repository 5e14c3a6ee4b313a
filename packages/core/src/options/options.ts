import { createLimiter } from '../batch/limiter.ts';
import type { Bounds } from '../batch/window.ts';
import { CosSliceError, type OptionIssue } from '../errors.ts';
import type { Authorizer, Limiter, ResumeStore, SignClaim, Signer } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Integrity, Target, Wire } from '../protocol/wire.ts';
import type { UploadProgress } from '../upload/progress.ts';

const DAY_MS = 86_400_000;

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
  /** `createSigner(...)`, `remoteSigner(...)`, a function that returns the signature, or on wires that sign requests an authorizer. */
  readonly signer: Signer | Authorizer | ((claim: SignClaim, signal: AbortSignal) => string | Promise<string>);
  /** What is spoken with the server. Default: the COS JSON API. */
  readonly wire?: Wire;
  /**
   * Slice size to ask for, in bytes: 64 KiB to 16 MiB, a multiple of 64. Default 1 MiB. The server's answer wins. Real COS
   * takes 512 KiB, 1, 2 and 3 MiB.
   */
  readonly sliceSize?: number;
  /** Files up to this size go in one request, without a session. In bytes. Default: `sliceSize`; at most 20 MiB. */
  readonly singleRequestMax?: number;
  /**
   * Requests in flight: a fixed number, bounds for the adaptive window, or a limiter (`createLimiter`) that several uploads
   * share. Default `{ min: 1, max: 8 }`; `{ min: 1, max: 16 }` in Node.js, `{ min: 1, max: 6 }` in browsers.
   */
  readonly concurrency?: number | Bounds | Limiter;
  readonly integrity?: Integrity;
  /** Replace what is at the path. Default false: error `exists`. */
  readonly overwrite?: boolean;
  /** Text stored with the object (`biz_attr`). */
  readonly attributes?: string;
  /**
   * Another content's unfinished upload at the path: `error` (default) fails with `conflict`; `restart` deletes what is at
   * the path and starts over. One that the resume record names as our own is given up in any case.
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
  readonly wire: Wire;
  readonly signer: Signer | Authorizer;
  readonly sliceSizeBytes: number;
  readonly singleRequestMaxBytes: number;
  readonly limiter: Limiter;
  readonly integrity: Integrity;
  readonly overwrite: boolean;
  readonly attributes?: string | undefined;
  readonly onConflict: 'error' | 'restart';
  readonly resume: ResumeStore | false;
  readonly retry: Required<RetryOptions>;
  readonly timeouts: Required<TimeoutOptions>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
}

/** A whole number that may be given: multiples of `step`, in bounds. */
type Range = readonly [fallback: number, min: number, max: number, step?: number];

const CONCURRENCY: Record<keyof Bounds, Range> = { min: [1, 1, 64], max: [8, 1, 64] };
const RETRY: Record<keyof RetryOptions, Range> = {
  attempts: [10, 1, 1000],
  attemptsPerUpload: [100, 1, 1_000_000],
  baseDelayMs: [500, 0, DAY_MS],
  maxDelayMs: [30_000, 0, DAY_MS],
};
const TIMEOUTS: Record<keyof TimeoutOptions, Range> = {
  connectMs: [10_000, 1, DAY_MS],
  responseMs: [30_000, 1, DAY_MS],
  noProgressMs: [30_000, 1, DAY_MS],
};

/**
 * Checks and fills in options.
 *
 * @throws CosSliceError `invalid-options` with every issue found, not just the first
 */
export function parseOptions(options: UploadOptions): Config {
  const { signer, signal, attributes, onProgress, wire = jsonApi } = options;
  const { sliceSize, maxSingleBytes, integrity } = wire.traits;
  const concurrency: number | Partial<Bounds> | Limiter = options.concurrency ?? {};
  const resume = options.resume || false;
  const issues: OptionIssue[] = [];
  const check = (option: string, valid: boolean, must: string, value: unknown): void => {
    const got = String(typeof value === 'string' ? JSON.stringify(value) : value).slice(0, 200);
    if (!valid) issues.push({ option, message: `must ${must}, got ${got}` });
  };
  const choice = <T>(option: string, value: T | undefined, allowed: readonly [T, ...T[]]): T => {
    const chosen = value ?? allowed[0];
    check(option, allowed.includes(chosen), `be ${allowed.join(' or ')}`, value);
    return chosen;
  };
  const whole = (option: string, value: unknown, [fallback, min, max, step = 1]: Range): number => {
    const number = (value ?? fallback) as number;
    const valid = typeof number === 'number' && number % step === 0 && number >= min && number <= max;
    check(option, valid, `be a ${step > 1 ? `multiple of ${step}` : 'whole number'} from ${min} to ${max}`, value);
    return number;
  };
  const wholes = <K extends string>(
    option: string,
    values: { readonly [name in K]?: number } | undefined,
    ranges: Record<K, Range>,
  ): Record<K, number> => {
    check(option, !values || typeof values === 'object', 'be an object', values);
    const numbers = { ...values } as Record<K, number>;
    for (const name in ranges) numbers[name] = whole(`${option}.${name}`, numbers[name], ranges[name]);
    return numbers;
  };
  const text = (value: unknown): string => String(value ?? '').replace(/\/+$/, '');

  const path = typeof options.path === 'string' ? options.path.replace(/^\/+/, '') : '';
  const endpoint = text(options.endpoint);
  const target: Target = { endpoint, appId: text(options.appId), bucket: text(options.bucket), path };
  check('endpoint', isPlainUrl(endpoint), 'be a URL with http:// or https:// and without a query', endpoint);
  issues.push(...wire.check(target));
  const slice: Range = [sliceSize.default, sliceSize.min, sliceSize.max, sliceSize.step];
  const sliceSizeBytes = whole('sliceSize', options.sliceSize, slice);
  const single: Range = [Math.min(sliceSizeBytes, maxSingleBytes), 0, maxSingleBytes];
  const toBounds = (): number | Bounds => {
    if (typeof concurrency !== 'object') return whole('concurrency', concurrency, CONCURRENCY.min);
    const { min, max } = wholes('concurrency', concurrency as Partial<Bounds>, CONCURRENCY);
    check('concurrency', min <= max, 'have min up to max', `${min} and ${max}`);
    return { min, max };
  };
  const toLimiter = (): Limiter => {
    if (typeof concurrency === 'object' && 'acquire' in concurrency) return concurrency as Limiter;
    const bounds = toBounds();
    // With an issue there will be no upload.
    return createLimiter(issues.length > 0 ? 1 : bounds);
  };
  const config: Config = {
    ...target,
    wire,
    signer: typeof signer === 'function' ? { sign: async (claim, signal) => signer(claim, signal) } : signer,
    sliceSizeBytes,
    singleRequestMaxBytes: whole('singleRequestMax', options.singleRequestMax, single),
    limiter: toLimiter(),
    integrity: choice('integrity', options.integrity, integrity as [Integrity]),
    overwrite: choice('overwrite', options.overwrite, [false, true]),
    attributes,
    onConflict: choice('onConflict', options.onConflict, ['error', 'restart']),
    resume,
    retry: wholes('retry', options.retry, RETRY),
    timeouts: wholes('timeouts', options.timeouts, TIMEOUTS),
    signal,
    onProgress,
  };
  check('signer', isSigner(config.signer, wire), SIGNER_MUST[wire.traits.signatureCovers], typeof signer);
  check('attributes', ['string', 'undefined'].includes(typeof attributes), 'be text', attributes);
  check('resume', !resume || typeof resume.load === 'function', 'be a resume store or false', resume);
  check('signal', !signal || typeof signal.addEventListener === 'function', 'be an AbortSignal', signal);
  check('onProgress', typeof (onProgress ?? check) === 'function', 'be a function', onProgress);
  if (issues.length > 0) {
    const text = issues.map(({ option, message }) => `${option} ${message}`).join('; ');
    throw new CosSliceError('invalid-options', `invalid options: ${text}`, { issues });
  }
  return config;
}

const SIGNER_MUST = { object: 'be a signer or a function', request: 'be an authorizer, which signs requests' };

function isSigner(signer: Signer | Authorizer, { traits }: Wire): boolean {
  const { sign, authorize } = (signer ?? {}) as Partial<Signer & Authorizer>;
  return typeof authorize === 'function' || (typeof sign === 'function' && traits.signatureCovers === 'object');
}

function isPlainUrl(text: string): boolean {
  try {
    return /^https?:\/\/[^@/]+\/[^?#]*$/.test(new URL(text).href);
  } catch {
    return false;
  }
}
