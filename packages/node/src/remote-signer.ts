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
import { createProxyDispatcher, type ProxyChoice, proxyFor } from './proxy.ts';

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

/** `fetch` through a proxy; the runtime's own where there is none. */
function through(choice: ProxyChoice): typeof fetch {
  let loaded: Promise<typeof fetch> | undefined;
  return (input, init) => {
    const settings = proxyFor(String(input instanceof Request ? input.url : input), choice, process.env);
    if (settings === undefined) return fetch(input, init);
    loaded ??= (async () => {
      const dispatcher = await createProxyDispatcher(settings);
      const undici = await import('undici');
      return ((target, options) =>
        undici.fetch(target as string, { ...(options as object), dispatcher })) as typeof fetch;
    })();
    return loaded.then((send) => send(input, init));
  };
}
