import type { Store } from './store/store.ts';

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
  /** What the storage below complained about, when the code is -181. Clients are not told. */
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
  /** Origin of the URLs in replies, such as `https://files.example`. Default: the request's Host. */
  readonly publicUrl?: string;
  readonly sliceSize?: SliceSizeOptions;
  /** Announces `serial_upload: 1` and refuses slices that come out of order. Default false. */
  readonly serialUpload?: boolean;
  /** How long an upload may rest before it is dropped. Default 7 days. */
  readonly sessionTtlMs?: number;
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
  readonly sliceSize: Required<Omit<SliceSizeOptions, 'forcedBytes'>> & Pick<SliceSizeOptions, 'forcedBytes'>;
  readonly serialUpload: boolean;
  readonly sessionTtlMs: number;
  readonly nowMs: () => number;
  readonly onRequest: (info: RequestInfo) => void;
}

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$/;
const KIB = 1024;

/** Fills in the defaults. @throws TypeError that names every option that cannot be used */
export function readOptions(options: SliceServerOptions): Settings {
  const issues: string[] = [];
  const { accounts = [] } = options;
  const settings: Settings = {
    store: options.store,
    accountsBySecretId: new Map(accounts.map((account) => [account.secretId, account])),
    prefix: options.prefix ?? '/files/v2',
    publicRead: options.publicRead ?? false,
    publicUrl: options.publicUrl?.replace(/\/$/, ''),
    sliceSize: { minBytes: 64 * KIB, maxBytes: 8192 * KIB, defaultBytes: 1024 * KIB, ...options.sliceSize },
    serialUpload: options.serialUpload ?? false,
    sessionTtlMs: options.sessionTtlMs ?? 7 * 24 * 3600 * 1000,
    nowMs: options.nowMs ?? Date.now,
    onRequest: options.onRequest ?? (() => {}),
  };

  if (!options.store) issues.push('store: one is needed, fileStore(dir) for example');
  if (accounts.length === 0) issues.push('accounts: at least one is needed');
  if (settings.accountsBySecretId.size !== accounts.length) issues.push('accounts: a secretId is used twice');
  for (const { appId, secretId, secretKey, buckets } of accounts) {
    // What an unset variable is in JavaScript would sign, too.
    if (![secretId, secretKey].every((text) => typeof text === 'string' && text !== '')) {
      issues.push('accounts: secretId and secretKey must be text that is not empty');
    }
    for (const name of [appId, ...buckets]) {
      if (!NAME.test(name)) issues.push(`accounts: ${JSON.stringify(name)} cannot be an appid or a bucket`);
    }
  }
  if (settings.prefix !== '' && !/^(\/[\w.-]+)+$/.test(settings.prefix)) {
    issues.push('prefix: must be empty or start with a slash and not end with one');
  }
  if (settings.publicUrl !== undefined && !/^https?:\/\/[^/?#]+$/.test(settings.publicUrl)) {
    issues.push('publicUrl: must be an http or https origin');
  }
  for (const [name, value] of [
    ...Object.entries(settings.sliceSize),
    ['sessionTtlMs', settings.sessionTtlMs] as const,
  ]) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      issues.push(`${name}: must be a positive whole number`);
    }
  }
  if (settings.sliceSize.minBytes > settings.sliceSize.maxBytes) issues.push('sliceSize: minBytes exceeds maxBytes');
  if (issues.length > 0) throw new TypeError(`createSliceServer: ${issues.join('; ')}`);
  return settings;
}
