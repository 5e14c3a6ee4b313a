import {
  type CredentialsProvider,
  remoteCredentials as createRemoteCredentials,
  remoteSigner as createRemoteSigner,
  tokenServerSigner as createTokenServerSigner,
  type RemoteCredentialsOptions,
  type RemoteSignerOptions,
  type RequestSigner,
  type Signer,
  type TokenServerOptions,
} from '@cos-slice/core';
import { createProxyDispatcher, type ProxyChoice, proxyOf } from './proxy.ts';
import { createReach, FIRST_ADDRESS_MS } from './reach.ts';

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
  if (typeof options !== 'object' || options === null)
    return createRemoteSigner({ url: options, fetch: through(undefined) });
  const { proxy, ...settings } = options;
  return createRemoteSigner({ fetch: through(proxy), ...settings });
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
  if (typeof options !== 'object' || options === null)
    return createRemoteCredentials({ url: options, fetch: through(undefined) });
  const { proxy, ...settings } = options;
  return createRemoteCredentials({ fetch: through(proxy), ...settings });
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
  return createTokenServerSigner({ fetch: through(proxy), ...settings });
}

const CONNECT_MS = 10_000;

/** `fetch` through a proxy; the runtime's own where there is none and the host is near enough for it. */
function through(choice: ProxyChoice): typeof fetch {
  const reach = createReach();
  let dispatcherWith: ReturnType<typeof createProxyDispatcher> | undefined;
  return (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    const proxy = proxyOf(url, choice, process.env);
    return reach({ connectMs: CONNECT_MS, signal: init?.signal }, async (times) => {
      if (proxy === undefined && times.autoSelectFamilyAttemptTimeout <= FIRST_ADDRESS_MS) return fetch(input, init);
      dispatcherWith ??= createProxyDispatcher({ httpProxy: proxy ?? '', httpsProxy: proxy ?? '', noProxy: '' });
      const dispatcher = await dispatcherWith(times);
      const undici = await import('undici');
      const send = undici.fetch as unknown as (target: unknown, options: object) => Promise<Response>;
      return send(input, { ...init, dispatcher });
    });
  };
}
