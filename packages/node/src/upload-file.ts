import {
  type Bandwidth,
  createBandwidth,
  createUpload,
  type Hasher,
  type OptionIssue,
  type Platform,
  type ResumeStore,
  type Transport,
  type Upload,
  type UploadOptions,
} from '@cos-slice/core';
import type { Dispatcher } from 'undici';
import type { Content } from './content.ts';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { createHasher } from './hasher.ts';
import { createNetwork, type EndpointNetwork } from './network.ts';
import { refuseIssues } from './option-issues.ts';
import { CONCURRENCY, INTEGRITY, SPOOL_MAX } from './options.ts';
import { createProxyTransport, type ProxySettings, proxyFor, proxyIn, proxyIssue } from './proxy.ts';
import { createFileResumeStore } from './resume-store.ts';
import { openSource, sourceIssues, type UploadSource } from './sources.ts';
import { createHttpTransport } from './transport.ts';

export interface UploadFileOptions extends Omit<UploadOptions, 'bandwidth'> {
  /** Bytes of content per second: a number, or what several uploads and downloads share (`createBandwidth`). */
  readonly bandwidth?: number | Bandwidth;
  /**
   * Most bytes of a stream whose length is not given: until it ends, what does not fit one request is kept in a temporary file.
   * Default 5 GiB; more fails with `source-unreadable`.
   */
  readonly spoolMax?: number;
  /** As in `UploadOptions`. Default `{ min: 1, max: 16 }`. */
  readonly concurrency?: NonNullable<UploadOptions['concurrency']>;
  /**
   * A dispatcher of undici to send through: a `ProxyAgent`, or an `Agent` with certificates of its own. It is yours to close.
   * Default: node:http.
   */
  readonly dispatcher?: Dispatcher;
  /**
   * URL of a proxy to go through, `http://user:password@host:port`. Default: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say;
   * false: none.
   */
  readonly proxy?: string | false;
  /**
   * The file may grow while it is uploaded, as a log does: what it holds at the start is uploaded. Default false:
   * `source-changed`.
   */
  readonly mayGrow?: boolean;
}

/** What goes in one request where nothing is said of it. */
const DIRECT_BYTES = 1024 * 1024;

/** What all uploads of this process share: connections, hashing workers, the place where uploads are remembered. */
interface Shared {
  readonly transport: Transport<Content>;
  readonly hasher: Hasher<Content>;
  readonly resume: ResumeStore;
  /** By settings. */
  readonly proxied: Map<string, Transport<Content>>;
}
let shared: Shared | undefined;

/**
 * Uploads a file, bytes or a stream. It starts by itself; await `done`. A stream without `sizeBytes` is read to its end first.
 *
 * `integrity` defaults to `md5`, `resume` to files in the user's state directory. A stream is read once: it cannot be resumed
 * by another process, nor have integrity `sha1`.
 *
 * @throws CosSliceError `invalid-options`, at once, with every issue. Everything else rejects `done`.
 * @example
 * const upload = uploadFile('film.mp4', {
 *   endpoint: cosEndpoint('sh'), appId: '10055004', bucket: 'films', path: '2024/film.mp4',
 *   signer: createSigner({ appId: '10055004', bucket: 'films', secretId, secretKey }),
 * });
 * console.log((await upload.done).accessUrl);
 */
export function uploadFile(source: UploadSource, options: UploadFileOptions): Upload {
  const {
    dispatcher: _dispatcher,
    proxy: _proxy,
    mayGrow = false,
    spoolMax = SPOOL_MAX.default,
    bandwidth,
    ...rest
  } = checked(options);
  const integrity = rest.integrity ?? INTEGRITY;
  refuseIssues(sourceIssues(source, { integrity, mayGrow }));
  const { hasher, resume } = sharedParts();
  const directMax = rest.singleRequestMax ?? rest.sliceSize ?? DIRECT_BYTES;
  const open = (signal: AbortSignal, moved: () => void): ReturnType<typeof openSource> =>
    openSource(source, { integrity, mayGrow, directMax, spoolMax }, signal, moved);
  const filled = {
    ...rest,
    ...paced(bandwidth),
    integrity,
    concurrency: rest.concurrency ?? CONCURRENCY,
    resume: rest.resume ?? resume,
  };
  return createUpload(open, filled, { hasher, ...reach(options) }, sizeOf(source));
}

/** What all requests of this process to an endpoint, with these settings, go through. */
export function reach({ wire, dispatcher, proxy, ...rest }: ReachOptions): Omit<Platform<Content>, 'hasher'> {
  const endpoint = String((wire?.place ?? rest).endpoint ?? '');
  if (dispatcher) return { transport: createDispatcherTransport(dispatcher) };
  const settings = proxyFor(endpoint, proxy, process.env);
  const transport = settings ? proxiedTransport(settings) : sharedParts().transport;
  // A proxy may be reachable where the network interfaces say that nothing is.
  if (settings && proxyIn(settings, endpoint) !== undefined) return { transport };
  const network = createNetwork(endpoint);
  return { transport: watched(transport, network), network };
}

type ReachOptions = Pick<UploadFileOptions, 'endpoint' | 'wire' | 'dispatcher' | 'proxy'>;

/** What goes by a rate of its own, or by that of others. */
export function paced(bandwidth: UploadFileOptions['bandwidth']): Pick<UploadOptions, 'bandwidth'> {
  if (bandwidth === undefined) return {};
  return { bandwidth: typeof bandwidth === 'number' ? createBandwidth(bandwidth) : bandwidth };
}

function sharedParts(): Shared {
  shared ??= {
    transport: createHttpTransport(),
    hasher: createHasher(),
    resume: createFileResumeStore(),
    proxied: new Map(),
  };
  return shared;
}

/** Of what is not a file: files are looked at when their turn comes. */
function sizeOf(source: UploadSource): number | undefined {
  if (typeof source === 'string' || source instanceof URL) return undefined;
  if ('open' in source) return undefined;
  if ('stream' in source) return source.sizeBytes;
  return 'byteLength' in source ? source.byteLength : undefined;
}

/** Where JavaScript lets through what TypeScript does not. */
export function checked<O extends Partial<UploadFileOptions>>(options: O): O {
  if (typeof options !== 'object' || options === null) {
    refuseIssues([
      {
        option: 'options',
        message: 'must be an object with endpoint, appId, bucket and signer, for an upload also path',
      },
    ]);
  }
  const { dispatcher, proxy, mayGrow, spoolMax, bandwidth } = options;
  const issues: OptionIssue[] = [];
  if (dispatcher !== undefined && typeof dispatcher?.dispatch !== 'function') {
    issues.push({ option: 'dispatcher', message: 'must be a dispatcher of undici' });
  }
  const wrong = proxyIssue(proxy);
  if (wrong !== undefined) issues.push({ option: 'proxy', message: wrong });
  if (dispatcher !== undefined && proxy) issues.push({ option: 'proxy', message: 'excludes dispatcher: give one' });
  if (mayGrow !== undefined && typeof mayGrow !== 'boolean') {
    issues.push({ option: 'mayGrow', message: 'must be true or false' });
  }
  if (typeof bandwidth === 'number' && !(bandwidth > 0)) {
    issues.push({ option: 'bandwidth', message: 'must be more than 0 bytes per second' });
  }
  const { min, max } = SPOOL_MAX;
  if (spoolMax !== undefined && !(Number.isInteger(spoolMax) && spoolMax >= min && spoolMax <= max)) {
    issues.push({ option: 'spoolMax', message: `must be a whole number from ${min} to ${max}` });
  }
  refuseIssues(issues);
  return options;
}

function proxiedTransport(settings: ProxySettings): Transport<Content> {
  const { proxied, transport: direct } = sharedParts();
  const key = JSON.stringify(settings);
  const transport = proxied.get(key) ?? createProxyTransport(settings, direct);
  proxied.set(key, transport);
  return transport;
}

/** A request that fails is the moment to see whether there is a network at all. */
function watched(transport: Transport<Content>, network: EndpointNetwork): Transport<Content> {
  return {
    ...transport,
    send: (request, context) =>
      transport.send(request, context).catch((error) => {
        network.check();
        throw error;
      }),
  };
}
