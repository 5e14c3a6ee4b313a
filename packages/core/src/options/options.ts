import { createLimiter } from '../batch/limiter.ts';
import type { Bounds } from '../batch/window.ts';
import type { Bandwidth, Limiter, ResumeStore, SignClaim } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Integrity, Overwrite, Target, Traits, Wire } from '../protocol/wire.ts';
import type { GivenSigner } from '../signing/authorizer.ts';
import type { UploadProgress } from '../upload/progress.ts';
import { type Checker, createChecker } from './check.ts';
import { type OptionRules, optionRules } from './table.ts';

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
  /**
   * URL prefix before `/<appid>/<bucket>/<path>`: `cosEndpoint('sh')`, `http://127.0.0.1:9000/files/v2`. A `wire` that is made
   * for one place (`cosXml`, `s3`) has its own `endpoint`, `appId` and `bucket`: these count for nothing then.
   */
  readonly endpoint?: string | undefined;
  readonly appId?: string | number | undefined;
  readonly bucket?: string | undefined;
  /** Object path in the bucket, as text (it is percent-encoded once, here). A leading slash is dropped. */
  readonly path: string;
  /**
   * `createSigner(...)`, `remoteSigner(...)` or a function that returns the signature. On wires that sign requests (`cosXml`,
   * `s3`), one of: credentials, `remoteCredentials(...)` or `{ credentials }` with a function that returns them;
   * `remoteSigner(...)`; an authorizer.
   */
  readonly signer: GivenSigner | ((claim: SignClaim, signal: AbortSignal) => string | Promise<string>);
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
  /**
   * Bytes of content in memory at once, over all uploads that share places for requests: a slice is read when there is room for
   * it, and one that is larger than all there is goes alone. 1 MiB to 1 TiB, default 128 MiB. A limiter that is given as
   * `concurrency` has a bound of its own. Hashing a whole file for `sha1`, and what the network's buffers hold, come on top.
   */
  readonly maxMemory?: number;
  /**
   * Bytes of content per second (`createBandwidth`), which several uploads and downloads may share, and whose rate may be changed
   * while they run. Exact in Node.js; in browsers it is kept between slices. Default: as fast as can be.
   */
  readonly bandwidth?: Bandwidth;
  readonly integrity?: Integrity;
  /**
   * When an object is at the path: false (default) fails with `exists`; true replaces it; `skip` leaves it and is done, with
   * `skipped` in the result; `rename` puts ` (1)`, ` (2)`, ... before the extension, and `path` in the result tells the path.
   * Nobody's object is replaced by the latter two, however many upload at once.
   */
  readonly overwrite?: Overwrite;
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
  readonly signer: GivenSigner;
  readonly sliceSizeBytes: number;
  readonly singleRequestMaxBytes: number;
  readonly limiter: Limiter;
  readonly bandwidth?: Bandwidth | undefined;
  readonly integrity: Integrity;
  readonly overwrite: Overwrite;
  readonly attributes?: string | undefined;
  readonly onConflict: 'error' | 'restart';
  readonly resume: ResumeStore | false;
  readonly retry: Required<RetryOptions>;
  readonly timeouts: Required<TimeoutOptions>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
}

/**
 * Checks and fills in options. An option that is there but undefined, as frameworks pass them, counts as not given.
 *
 * @throws CosSliceError `invalid-options` with every issue found, not just the first
 */
export function parseOptions(given: UploadOptions): Config {
  return parseOptionsFor(given, jsonApi);
}

/**
 * Like `parseOptions`.
 *
 * @param standard the wire that is spoken when none is given
 */
export function parseOptionsFor(given: UploadOptions, standard: Wire): Config {
  const checker = createChecker();
  const { issues, check, whole, wholes, choice, done } = checker;
  check('options', typeof given === 'object' && given !== null, 'be an object', given);
  const options: { readonly [Name in keyof UploadOptions]?: unknown } = given ?? {};
  const wire = (options.wire ?? standard) as Wire;
  const { endpoint, bucket, appId } = wire.place ?? options;
  const { path, resume = false, signal, onProgress, attributes } = options;
  check('wire', typeof wire.encode === 'function', 'be a wire', wire);
  const { traits } = typeof wire.encode === 'function' ? wire : standard;
  const rules = optionRules(traits);

  for (const [name, value] of Object.entries({ path, endpoint, bucket })) {
    check(name, typeof value === 'string', 'be text', value);
  }
  check('appId', typeof appId === 'string' || Number.isSafeInteger(appId), 'be text or a whole number', appId);
  const target: Target = {
    endpoint: text(endpoint).replace(/\/+$/, ''),
    appId: text(appId),
    bucket: text(bucket),
    path: text(path).replace(/^\/+/, ''),
  };
  if (typeof endpoint === 'string') {
    check('endpoint', isPlainUrl(target.endpoint), 'be a URL with http:// or https:// and without a query', endpoint);
  }
  // Each option is complained of once.
  const known = new Set(issues.map(({ option }) => option));
  if (!known.has('wire')) issues.push(...wire.check(target).filter(({ option }) => !known.has(option)));

  const sliceSizeBytes = whole('sliceSize', options.sliceSize, rules.wholes.sliceSize);
  const single = { ...rules.wholes.singleRequestMax, default: Math.min(sliceSizeBytes, traits.maxSingleBytes) };
  const signer = toSigner(options.signer as UploadOptions['signer']);
  const config: Config = {
    ...target,
    wire,
    signer,
    sliceSizeBytes,
    singleRequestMaxBytes: whole('singleRequestMax', options.singleRequestMax, single),
    limiter: toLimiter(options.concurrency, options.maxMemory, rules.wholes, checker),
    integrity: choice('integrity', options.integrity, rules.choices.integrity),
    overwrite: choice('overwrite', options.overwrite, rules.choices.overwrite),
    attributes: attributes as string | undefined,
    bandwidth: options.bandwidth as Bandwidth | undefined,
    onConflict: choice('onConflict', options.onConflict, rules.choices.onConflict),
    resume: resume as ResumeStore | false,
    retry: wholes('retry', options.retry, rules.wholes),
    timeouts: wholes('timeouts', options.timeouts, rules.wholes),
    signal: signal as AbortSignal | undefined,
    onProgress: onProgress as Config['onProgress'],
  };
  const must = wire.signerMust ? wire.signerMust(signer) : signerMust(signer, traits);
  check('signer', must === undefined, must ?? '', options.signer);
  check('attributes', ['string', 'undefined'].includes(typeof attributes), 'be text', attributes);
  check('resume', resume === false || has(resume, 'load', 'save', 'remove'), 'be a resume store or false', resume);
  check('bandwidth', !options.bandwidth || has(options.bandwidth, 'take'), 'be a bandwidth', options.bandwidth);
  check('signal', signal === undefined || has(signal, 'addEventListener'), 'be an AbortSignal', signal);
  check('onProgress', ['function', 'undefined'].includes(typeof onProgress), 'be a function', onProgress);
  done();
  return config;
}

/** Places of a limiter that is shared, or of one of the upload's own. */
function toLimiter(concurrency: unknown, memory: unknown, wholes: OptionRules['wholes'], checker: Checker): Limiter {
  const maxMemory = checker.whole('maxMemory', memory, wholes.maxMemory);
  if (has(concurrency, 'acquire')) {
    checker.check('concurrency', has(concurrency, 'subscribe'), 'be a number, bounds or a limiter', concurrency);
    return concurrency as Limiter;
  }
  let bounds: number | Bounds;
  if (concurrency === undefined || typeof concurrency === 'object') {
    bounds = checker.wholes('concurrency', concurrency, wholes);
    checker.check('concurrency', !(bounds.min > bounds.max), 'have min up to max', `${bounds.min} and ${bounds.max}`);
  } else {
    bounds = checker.whole('concurrency', concurrency, wholes['concurrency.min']);
  }
  // With an issue there will be no upload.
  return createLimiter(checker.issues.length > 0 ? 1 : bounds, { maxMemory });
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Whether it is an object with these methods. */
function has(value: unknown, ...methods: readonly string[]): boolean {
  const object = Object(value);
  return object === value && methods.every((method) => typeof object[method] === 'function');
}

function toSigner(signer: UploadOptions['signer']): GivenSigner {
  return typeof signer === 'function' ? { sign: async (claim, signal) => signer(claim, signal) } : signer;
}

/** How a signer must be otherwise. */
function signerMust(signer: unknown, { signatureCovers }: Traits): string | undefined {
  if (has(signer, 'authorize')) return undefined;
  if (signatureCovers === 'request') return 'be an authorizer, which signs requests';
  return has(signer, 'sign') ? undefined : 'be a signer or a function';
}

function isPlainUrl(text: string): boolean {
  try {
    return /^https?:\/\/[^@/]+\/[^?#]*$/.test(new URL(text).href);
  } catch {
    return false;
  }
}
