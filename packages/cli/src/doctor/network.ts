import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { WireName } from '../place.ts';
import { type Check, type Finding, fail, ok, skip, warn } from './finding.ts';

const CONNECT_MS = 10_000;
const DAY_MS = 86_400_000;
/** Somebody has to have time to renew it. */
const EXPIRES_SOON_DAYS = 14;

interface Address {
  readonly host: string;
  readonly port: number;
}

/** The way to an endpoint: what there is before anything of the protocol is said. */
export function networkChecks(endpoint: string, proxy: string | undefined, wire: WireName): readonly Check[] {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const to = url && addressOf(url);
  const via = proxy === undefined || !URL.canParse(proxy) ? undefined : addressOf(new URL(proxy));
  return [
    { name: 'endpoint', run: async () => checkEndpoint(endpoint, url, wire) },
    { name: 'proxy', run: (signal) => checkProxy(via, signal) },
    { name: 'dns', run: async () => (via ? skip('the proxy looks it up') : checkNames(to?.host ?? '')) },
    {
      name: 'connect',
      run: async (signal) => (via ? skip('through the proxy') : checkConnection(to as Address, signal)),
    },
    {
      name: 'tls',
      run: async (signal) => {
        if (url?.protocol !== 'https:') return skip('the endpoint is http://: there is none');
        return via ? skip('through the proxy') : checkTls(to as Address, signal);
      },
    },
  ];
}

function addressOf({ protocol, hostname, port }: URL): Address {
  const standard = protocol === 'https:' ? 443 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? standard : Number(port) };
}

function checkEndpoint(endpoint: string, url: URL | undefined, wire: WireName): Finding {
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    return fail(`'${endpoint}' is no URL with http:// or https://: set --endpoint (or COS_SLICE_ENDPOINT)`);
  }
  if (url.pathname === '/' && wire === 'json') {
    return warn(`${endpoint} has no path: most servers want /files/v2 at its end`);
  }
  const isNear = /^(localhost|127\.|\[::1\]|10\.|192\.168\.)/.test(url.hostname);
  if (url.protocol === 'http:' && !isNear) {
    return warn(`${endpoint} is not encrypted: others on the way can read what is sent; https:// would not let them`);
  }
  return ok(endpoint);
}

async function checkProxy(via: Address | undefined, signal: AbortSignal): Promise<Finding> {
  if (!via) return ok('none: HTTP_PROXY, HTTPS_PROXY and --proxy name none for it');
  const { host, port } = via;
  try {
    const ms = await timed(() => open(via, signal));
    return ok(`${host}:${port} takes connections (${ms} ms)`);
  } catch (error) {
    const why = `${host}:${port} does not (${codeOf(error)})`;
    return fail(
      `requests go through a proxy, and ${why}: check --proxy or HTTPS_PROXY and HTTP_PROXY, or name the host in NO_PROXY`,
    );
  }
}

async function checkNames(host: string): Promise<Finding> {
  if (isIP(host)) return ok(`${host} is an address`);
  try {
    const found = await lookup(host, { all: true });
    return ok(`${host} is ${found.map(({ address }) => address).join(', ')}`);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOTFOUND') return fail(`there is no host ${host} (${code}): check --endpoint, its region above all`);
    return fail(`${host} cannot be looked up (${code}): check the network, or /etc/resolv.conf`);
  }
}

async function checkConnection(to: Address, signal: AbortSignal): Promise<Finding> {
  const where = `${to.host}:${to.port}`;
  try {
    return ok(`${where} takes connections (${await timed(() => open(to, signal))} ms)`);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ECONNREFUSED')
      return fail(`nobody listens at ${where} (${code}): check the port of --endpoint, and that the server runs`);
    return fail(
      `${where} cannot be reached (${code}): check the network and firewalls, or set --proxy where one is needed`,
    );
  }
}

async function checkTls(to: Address, signal: AbortSignal): Promise<Finding> {
  try {
    const socket = await secure(to, signal);
    const { valid_to: end, issuer } = socket.getPeerCertificate();
    const version = socket.getProtocol();
    socket.destroy();
    const days = Math.floor((Date.parse(end) - Date.now()) / DAY_MS);
    const facts = `${version}, certificate of ${[issuer?.O, issuer?.CN].flat().filter(Boolean).join(' ') || 'unknown'}, until ${end}`;
    return days < EXPIRES_SOON_DAYS ? warn(`${facts}: to be renewed within ${days} days`) : ok(facts);
  } catch (error) {
    return fail(adviseTls(codeOf(error), to));
  }
}

function adviseTls(code: string, { host }: Address): string {
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `the certificate of ${host} is not valid today (${code}): check the clock of this machine, or have it renewed`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the certificate is not for ${host} (${code}): check the name in --endpoint`;
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET)/.test(code)) {
    return `nobody known vouches for the certificate of ${host} (${code}): name a file with its issuer in NODE_EXTRA_CA_CERTS`;
  }
  if (/WRONG_VERSION|ERR_SSL|EPROTO|ECONNRESET/.test(code))
    return `${host} does not speak TLS there (${code}): check the port, or set --endpoint to http://`;
  return `no TLS with ${host} (${code}): check --endpoint`;
}

async function open({ host, port }: Address, signal: AbortSignal): Promise<void> {
  const socket = connectTcp({ host, port, signal });
  await settled(socket, 'connect');
  socket.destroy();
}

async function secure({ host, port }: Address, signal: AbortSignal): Promise<TLSSocket> {
  const socket = connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }) });
  signal.addEventListener('abort', () => socket.destroy(signal.reason), { once: true });
  await settled(socket, 'secureConnect');
  return socket;
}

function settled(socket: ReturnType<typeof connectTcp>, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(CONNECT_MS, () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    socket.once(event, () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  });
}

export async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await run();
  return Math.round(performance.now() - startedAtMs);
}

function codeOf(error: unknown): string {
  const { code, errors } = error as NodeJS.ErrnoException & { readonly errors?: readonly NodeJS.ErrnoException[] };
  return code || errors?.[0]?.code || (error instanceof Error ? error.message : String(error));
}
