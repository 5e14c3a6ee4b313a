import {
  type Bounds,
  isCosSliceError,
  parseOptions,
  type RemoteSignerOptions,
  type ResumeStore,
  remoteSigner,
  type Signer,
  type UploadBlobOptions,
} from '@cos-slice/browser';
import type { Body, Meta, PluginOpts, UppyFile } from '@uppy/core';

type Passed =
  | 'wire'
  | 'endpoint'
  | 'appId'
  | 'bucket'
  | 'sliceSize'
  | 'singleRequestMax'
  | 'maxMemory'
  | 'bandwidth'
  | 'integrity'
  | 'overwrite'
  | 'onConflict'
  | 'retry'
  | 'timeouts'
  | 'transport'
  | 'hashWorker';

/** Options of `uploadBlob` where nothing else is said. */
export interface CosSliceOptions<M extends Meta, B extends Body> extends PluginOpts, Pick<UploadBlobOptions, Passed> {
  /** Signs; or give `signUrl`. With a `wire` that signs requests, one of its signers, such as `remoteCredentials(...)`. */
  readonly signer?: UploadBlobOptions['signer'];
  /** The application's signing endpoint, for `remoteSigner`, with any `wire`. */
  readonly signUrl?: string | RemoteSignerOptions;
  /**
   * Object path for a file. Default: `ownPath`, its relative path or name, made to fit the protocol and unlike that of every
   * other file of this Uppy.
   */
  readonly path?: (file: UppyFile<M, B>, ownPath: string) => string;
  /** Requests in flight over all files: a number, or bounds for the adaptive window. Default `{ min: 1, max: 6 }`. */
  readonly concurrency?: number | Bounds;
  /** Metadata stored with the object as JSON in `biz_attr`: names, or true for all. Default: none. */
  readonly allowedMetaFields?: boolean | readonly string[];
  /** Where unfinished uploads are remembered besides Uppy's own state. Default: IndexedDB. */
  readonly resume?: ResumeStore | false;
}

export const defaultOptions: { readonly concurrency: Bounds; readonly allowedMetaFields: boolean } = {
  concurrency: { min: 1, max: 6 },
  allowedMetaFields: false,
};

/** Stands for one that is made when there is something to sign. */
const ANY_SIGNER = { sign: async () => '', signRequests: async () => [] };

/** @throws TypeError that names every option that cannot be used */
export function checkOptions<M extends Meta, B extends Body>(options: CosSliceOptions<M, B>): void {
  const issues: string[] = [];
  if (!options.signer && !options.signUrl) issues.push('signer or signUrl must be given');
  if (options.signer && options.signUrl) issues.push('signer and signUrl exclude each other: give one of them');
  if (options.path !== undefined && typeof options.path !== 'function') issues.push('path must be a function');
  const { allowedMetaFields } = options;
  if (allowedMetaFields !== undefined && typeof allowedMetaFields !== 'boolean' && !Array.isArray(allowedMetaFields)) {
    issues.push('allowedMetaFields must be true, false or a list of names');
  }
  try {
    parseOptions({
      ...pickPassed(options),
      signer: options.signer ?? ANY_SIGNER,
      path: 'any',
      concurrency: boundsOf(options),
    });
  } catch (error) {
    if (!isCosSliceError(error)) throw error;
    issues.push(...(error.issues ?? []).map(({ option, message }) => `${option} ${message}`));
  }
  if (issues.length > 0) throw new TypeError(`CosSlice: ${issues.join('; ')}`);
}

export function toSigner<M extends Meta, B extends Body>(
  options: CosSliceOptions<M, B>,
): UploadBlobOptions['signer'] | Signer {
  if (options.signer) return options.signer;
  return remoteSigner(options.signUrl ?? '');
}

const PASSED: readonly Passed[] = [
  'wire',
  'endpoint',
  'appId',
  'bucket',
  'sliceSize',
  'singleRequestMax',
  'maxMemory',
  'bandwidth',
  'integrity',
  'overwrite',
  'onConflict',
  'retry',
  'timeouts',
  'transport',
  'hashWorker',
];

/** What goes to `uploadBlob` as it is. */
export function pickPassed<M extends Meta, B extends Body>(
  options: CosSliceOptions<M, B>,
): Pick<UploadBlobOptions, Passed> {
  const given = PASSED.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(given);
}

/** Requests in flight. An option that is there but undefined, as frameworks pass them, counts as not given. */
export function boundsOf<M extends Meta, B extends Body>({ concurrency }: CosSliceOptions<M, B>): number | Bounds {
  return typeof concurrency === 'number' ? concurrency : { ...defaultOptions.concurrency, ...concurrency };
}

/** What a file is called, with its folders where it came in some. */
export function nameOf<M extends Meta, B extends Body>(file: UppyFile<M, B>): string {
  // Some sources give files that come without a folder an empty relative path.
  return file.meta.relativePath || file.meta.name || file.name || '';
}

/** Allowed metadata as JSON, or undefined when there is none. */
export function attributesOf<M extends Meta, B extends Body>(
  options: CosSliceOptions<M, B>,
  file: UppyFile<M, B>,
): string | undefined {
  const { allowedMetaFields } = options;
  const meta: Record<string, unknown> = file.meta;
  const names = allowedMetaFields === true ? Object.keys(meta) : allowedMetaFields || [];
  const allowed = names.filter((name) => meta[name] !== undefined && meta[name] !== null);
  if (allowed.length === 0) return undefined;
  return JSON.stringify(Object.fromEntries(allowed.map((name) => [name, meta[name]])));
}
