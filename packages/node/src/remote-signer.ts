import {
  type CredentialsProvider,
  remoteCredentials as createRemoteCredentials,
  remoteSigner as createRemoteSigner,
  tokenServerSigner as createTokenServerSigner,
  isCosSliceError,
  type OptionIssue,
  type RemoteCredentialsOptions,
  RemoteSignerError,
  type RemoteSignerOptions,
  type RequestSigner,
  type Signer,
  type TokenServerOptions,
} from '@cos-slice/core';
import type { Dispatcher } from 'undici';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { refuseIssues } from './option-issues.ts';
import { createProxyDispatcher, hostOf, type ProxyChoice, proxyIssue, proxyOf } from './proxy.ts';
import { createReach, FIRST_ADDRESS_MS } from './reach.ts';
import { toTransportError } from './transport-errors.ts';

export interface ProxiedSignerOptions extends RemoteSignerOptions {
  /** As in `UploadFileOptions`. */
  readonly proxy?: string | false;
}

/**
 * Asks the application's own endpoint for signatures, as `remoteSigner` of `@cos-slice/core` does, and goes through a proxy
 * where one is set.
 *
 * @throws CosSliceError `invalid-options`; RemoteSignerError from `sign`
 */
export function remoteSigner(options: string | ProxiedSignerOptions): Signer & RequestSigner {
  const name = 'the signing endpoint';
  const { proxy, ...settings } = checkEndpoint(options, name);
  return createRemoteSigner({ ...settings, fetch: settings.fetch ?? through(name, proxy) });
}

export interface ProxiedCredentialsOptions extends RemoteCredentialsOptions {
  /** As in `UploadFileOptions`. */
  readonly proxy?: string | false;
}

/**
 * Asks the application's own endpoint for temporary credentials, as `remoteCredentials` of `@cos-slice/core` does, and goes
 * through a proxy where one is set.
 *
 * @throws CosSliceError `invalid-options`; RemoteSignerError from `credentials`
 */
export function remoteCredentials(options: string | ProxiedCredentialsOptions): CredentialsProvider {
  const name = 'the credentials endpoint';
  const { proxy, ...settings } = checkEndpoint(options, name);
  return createRemoteCredentials({ ...settings, fetch: settings.fetch ?? through(name, proxy) });
}

export interface ProxiedTokenServerOptions extends TokenServerOptions {
  /** As in `UploadFileOptions`. */
  readonly proxy?: string | false;
}

/**
 * Asks a token server for signatures, as `tokenServerSigner` of `@cos-slice/core` does, and goes through a proxy where one is
 * set.
 *
 * @throws CosSliceError `invalid-options`; RemoteSignerError from `sign`
 */
export function tokenServerSigner(options: ProxiedTokenServerOptions): Signer {
  const { proxy, ...settings } = Object(options) as ProxiedTokenServerOptions;
  refuseIssues(issuesOf(proxy, settings));
  return createTokenServerSigner({ ...settings, fetch: settings.fetch ?? through('the token server', proxy) });
}

/** Where JavaScript lets through what TypeScript does not. @throws CosSliceError `invalid-options` */
function checkEndpoint<O extends ProxiedCredentialsOptions>(options: string | O, name: string): O {
  const given = Object(typeof options === 'object' ? options : { url: options }) as O;
  const { url, headers, credentials, body, fetch, proxy } = given;
  const issues = issuesOf(proxy, given);
  const check = (option: string, isRight: boolean, message: string): void => {
    if (!isRight) issues.push({ option, message });
  };
  // One's own `fetch` knows what it takes.
  const isPlain = fetch !== undefined || isWebUrl(url);
  check('url', isPlain, `must be the URL of ${name}, with http:// or https:// and without user and password`);
  check(
    'headers',
    headers === undefined || Object(headers) === headers,
    'must be an object of texts, Headers, or a function that returns them',
  );
  check('body', body === undefined || Object(body) === body, 'must be an object');
  const known = [undefined, 'omit', 'same-origin', 'include'];
  check('credentials', known.includes(credentials), 'must be omit, same-origin or include');
  refuseIssues(issues);
  return given;
}

function issuesOf(proxy: unknown, { fetch }: { readonly fetch?: unknown }): OptionIssue[] {
  const issues: OptionIssue[] = [];
  const wrong = proxyIssue(proxy);
  if (wrong !== undefined) issues.push({ option: 'proxy', message: wrong });
  if (fetch !== undefined && typeof fetch !== 'function') {
    issues.push({ option: 'fetch', message: 'must be a function such as fetch' });
  }
  return issues;
}

function isWebUrl(text: unknown): boolean {
  if (typeof text !== 'string' || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username + password === '';
}

const CONNECT_MS = 10_000;

/**
 * `fetch` through a proxy; the runtime's own where there is none and the host is near enough for it.
 *
 * @param name what is asked, for messages
 * @throws RemoteSignerError for what goes wrong on the way; what `fetch` throws for a request that cannot be made
 */
function through(name: string, choice?: ProxyChoice): typeof fetch {
  const reach = createReach();
  let dispatcherWith: ReturnType<typeof createProxyDispatcher> | undefined;
  return async (input, init) => {
    const request = new Request(input, init);
    const proxy = proxyOf(request.url, choice, process.env);
    const fail = (error: unknown): never => {
      throw toSignerError(error, name, new URL(request.url));
    };
    return reach({ connectMs: CONNECT_MS, signal: request.signal }, async (times) => {
      if (proxy === undefined && times.autoSelectFamilyAttemptTimeout <= FIRST_ADDRESS_MS) {
        const response = await fetch(input, init);
        const text = response.text.bind(response);
        return Object.assign(response, { text: () => text().catch(fail) });
      }
      dispatcherWith ??= createProxyDispatcher({ httpProxy: proxy ?? '', httpsProxy: proxy ?? '', noProxy: '' });
      return send(await dispatcherWith(times), request, proxy);
    }).catch(fail);
  };
}

/** As `fetch`, which would not tell what a proxy said. */
async function send(dispatcher: Dispatcher, request: Request, proxy: string | undefined): Promise<Response> {
  const { method, url, signal } = request;
  const headers = Object.fromEntries(request.headers);
  const text = method === 'GET' ? undefined : await request.clone().text();
  const transport = createDispatcherTransport(dispatcher, proxy === undefined ? {} : { via: hostOf(proxy) });
  const context = { signal, connectMs: CONNECT_MS, onConnected() {}, onSent() {} };
  const { status, body, header } = await transport.send({ method, url, headers, text }, context);
  const kept = ['date', 'location'].flatMap((name) => {
    const value = header(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  // Some statuses must not have a body.
  return new Response(body || null, { status, headers: Object.fromEntries(kept) });
}

/** undici's words for what went wrong before a response, and in the middle of one. */
const ON_THE_WAY = ['fetch failed', 'terminated'];

function toSignerError(error: unknown, name: string, url: URL): unknown {
  const { message, cause } = error as Error;
  const isNamed = isCosSliceError(error);
  if (isNamed ? error.code === 'invalid-options' : !ON_THE_WAY.includes(message)) return error;
  if ((cause as Error | undefined)?.message === 'bad port') {
    return new RemoteSignerError(`${name} cannot be asked: fetch refuses port ${url.port}`, { cause: error });
  }
  const { message: why, remedy, httpStatus } = isNamed ? error : toTransportError(cause ?? error, url);
  const details = { cause: error, remedy, httpStatus, unreachable: true };
  return new RemoteSignerError(`${name} cannot be asked: ${why}`, details);
}
