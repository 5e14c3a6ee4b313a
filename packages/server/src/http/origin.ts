import type { IncomingMessage } from 'node:http';

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;
const PATH = /^(?:\/[\w.~-]+)+$/;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

/**
 * Where the client sees this server, as far as the request tells: its origin and what a proxy cuts off in front of its paths.
 * What proxies say counts only when they are trusted, since everybody can say it.
 */
export function originOf(req: IncomingMessage, trustProxy: boolean): string {
  const forwarded = (name: string, pattern: RegExp): string | undefined => {
    // Each proxy on the way may add its own; the first one is nearest to the client.
    const value = trustProxy
      ? String(req.headers[`x-forwarded-${name}`] ?? '')
          .split(',', 1)[0]
          ?.trim()
      : undefined;
    return value && pattern.test(value) ? value : undefined;
  };
  const scheme = forwarded('proto', /^https?$/i)?.toLowerCase() ?? ownScheme(req);
  const host = forwarded('host', HOST) ?? ownHost(req);
  const port = forwarded('port', /^\d{1,5}$/);
  const isPortMissing = port !== undefined && port !== DEFAULT_PORTS[scheme] && !/:\d+$/.test(host);
  return `${scheme}://${host}${isPortMissing ? `:${port}` : ''}${forwarded('prefix', PATH) ?? ''}`;
}

/** Some runtimes have the property on every socket: its value counts. */
function ownScheme({ socket }: IncomingMessage): 'http' | 'https' {
  return 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http';
}

function ownHost({ headers, socket }: IncomingMessage): string {
  // HTTP/2 has a name of its own for it.
  const host = headers[':authority'] ?? headers.host;
  return typeof host === 'string' && HOST.test(host) ? host : `127.0.0.1:${socket.localPort}`;
}
