import { CosSliceError, type Transport } from '@cos-slice/core';
import type { Dispatcher } from 'undici';
import type { Content } from './content.ts';
import { createDispatcherTransport } from './dispatcher-transport.ts';
import { type AddressTimes, createReach } from './reach.ts';
import { whenOpenable } from './waiting.ts';

/** Through which proxies requests go, in the terms of undici's `EnvHttpProxyAgent`. */
export interface ProxySettings {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

/** A proxy's URL; false: none, whatever the environment says; undefined: what the environment says. */
export type ProxyChoice = string | false | undefined;

/**
 * The proxies that may be on the way to a URL, by option or by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY (of HTTP) and NO_PROXY, in
 * small letters or in capitals. NODE_USE_ENV_PROXY=0 has the variables ignored, as Node.js does.
 *
 * @returns undefined: none for URLs of this scheme
 */
export function proxyFor(url: string, choice: ProxyChoice, env: NodeJS.ProcessEnv): ProxySettings | undefined {
  if (choice === false) return undefined;
  if (choice !== undefined) return { httpProxy: choice, httpsProxy: choice, noProxy: '' };
  if (env.NODE_USE_ENV_PROXY === '0') return undefined;
  const read = (name: string): string => env[name] || env[name.toUpperCase()] || '';
  // Often that of a SOCKS proxy, which is none of HTTP's.
  const allProxy = /^https?:/i.test(read('all_proxy')) ? read('all_proxy') : '';
  const httpProxy = read('http_proxy') || allProxy;
  const httpsProxy = read('https_proxy') || allProxy || httpProxy;
  const used = /^https:/i.test(url) ? httpsProxy : httpProxy;
  return used === '' ? undefined : { httpProxy, httpsProxy, noProxy: read('no_proxy') };
}

/** The proxy on the way to a URL, by what `proxyFor` goes by. @returns undefined: none, as for hosts that NO_PROXY names */
export function proxyOf(url: string, choice: ProxyChoice, env: NodeJS.ProcessEnv): string | undefined {
  const settings = proxyFor(url, choice, env);
  return settings && proxyIn(settings, url);
}

/**
 * The one of these proxies that requests to a URL go through.
 *
 * @returns undefined: none, as for hosts that NO_PROXY names
 */
export function proxyIn(settings: ProxySettings, url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname, port, protocol } = new URL(url);
  const isSecure = protocol === 'https:';
  const used = (isSecure ? settings.httpsProxy : settings.httpProxy) || undefined;
  const ownPort = port === '' ? (isSecure ? '443' : '80') : port;
  // As undici reads it: a name stands for what is below it, too.
  const isException = settings.noProxy.split(/[,\s]/).some((entry) => {
    const [, name = '', onlyPort = ownPort] = /^(.+?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    const bare = name.replace(/^\*?\./, '');
    return bare !== '' && onlyPort === ownPort && (hostname === bare || hostname.endsWith(`.${bare}`));
  });
  return isException || settings.noProxy === '*' ? undefined : used;
}

/** @returns what is wrong with it, or undefined */
export function proxyIssue(choice: unknown): string | undefined {
  if (choice === undefined || choice === false) return undefined;
  const url = typeof choice === 'string' && URL.canParse(choice) ? new URL(choice) : undefined;
  return /^https?:$/.test(url?.protocol ?? '')
    ? undefined
    : 'must be the URL of a proxy, with http:// or https://, or false';
}

/**
 * Sends through a proxy. undici is loaded with the first request: whoever needs no proxy does not pay for it.
 *
 * @param direct what sends to hosts that NO_PROXY names: links and signed addresses may lead to other hosts than the endpoint's
 */
export function createProxyTransport(settings: ProxySettings, direct: Transport<Content>): Transport<Content> {
  const reach = createReach();
  const dispatcherWith = createProxyDispatcher(settings);
  const transportWith = async (proxy: string, times: AddressTimes): Promise<Transport<Content>> =>
    createDispatcherTransport(await dispatcherWith(times), { via: hostOf(proxy) });
  return {
    reportsProgress: true,
    send(request, context) {
      const proxy = proxyIn(settings, request.url);
      // The bandwidth has been waited for already: this transport does not pace.
      if (proxy === undefined) return direct.send(request, { ...context, bandwidth: undefined });
      return reach(context, async (times) => (await transportWith(proxy, times)).send(request, context));
    },
    async receive(request, context) {
      const proxy = proxyIn(settings, request.url);
      const receiveBy = ({ receive }: Transport<Content>): ReturnType<NonNullable<typeof receive>> => {
        if (!receive) throw refused('its transport cannot receive', undefined);
        return receive(request, context);
      };
      if (proxy === undefined) return receiveBy(direct);
      return reach(context, async (times) => receiveBy(await transportWith(proxy, times)));
    },
  };
}

/**
 * Goes through the proxies, with these times for those that have several addresses. Where times stay, so does the dispatcher.
 *
 * @throws CosSliceError `invalid-options`, from what it returns
 */
export function createProxyDispatcher(settings: ProxySettings): (times: AddressTimes) => Promise<Dispatcher> {
  const make = async (times: AddressTimes): Promise<Dispatcher> => {
    const undici = await whenOpenable(() => import('undici')).catch((cause) => {
      throw refused('undici cannot be loaded: npm install undici@7', cause);
    });
    try {
      // The types want a port with it, which is the proxy's own.
      const proxyTls: object = times;
      // Many proxies let plain HTTP through as requests only, and tunnels to port 443 only.
      return new undici.EnvHttpProxyAgent({ ...settings, ...times, proxyTls, proxyTunnel: false });
    } catch (cause) {
      throw refused('it must be a URL with http:// or https://', cause);
    }
  };
  let made: { readonly forMs: number; readonly dispatcher: Promise<Dispatcher> } | undefined;
  return (times) => {
    const forMs = times.autoSelectFamilyAttemptTimeout;
    if (made?.forMs !== forMs) {
      made = { forMs, dispatcher: make(times) };
      made.dispatcher.catch(() => {
        made = undefined;
      });
    }
    return made.dispatcher;
  };
}

function refused(why: string, cause: unknown): CosSliceError {
  const issue = { option: 'proxy', message: `cannot be used (option, or HTTP_PROXY and HTTPS_PROXY): ${why}` };
  return new CosSliceError('invalid-options', `invalid options: proxy ${issue.message}`, { cause, issues: [issue] });
}

/** Without user and password. */
export function hostOf(proxy: string): string {
  return URL.canParse(proxy) ? new URL(proxy).host : 'that is set';
}
