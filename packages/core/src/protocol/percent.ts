/** Percent-encodes all but letters, digits and `- . _ ~`, as signatures of AWS and COS want it: uppercase hex. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A query as names and values, decoded, in the order in which it has them. A plus sign is one. */
export function readQuery(query: string): [name: string, value: string][] {
  if (query === '') return [];
  return query.split('&').map((pair) => {
    const at = pair.indexOf('=');
    const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    return [decodeURIComponent(name), decodeURIComponent(value)];
  });
}

/** An absolute URL in its parts, as it is written: nothing is put in order. */
export function splitUrl(url: string): { readonly host: string; readonly path: string; readonly query: string } {
  const [, host = '', path = '', query = ''] = /^\w+:\/\/([^/?#]*)([^?#]*)\??([^#]*)/.exec(url) ?? [];
  return { host: hostOf(url, host), path: path || '/', query };
}

/** Without the port that goes without saying, as it is sent. */
function hostOf(url: string, host: string): string {
  return host.toLowerCase().replace(url.startsWith('https:') ? /:443$/ : /:80$/, '');
}
