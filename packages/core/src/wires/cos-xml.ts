import type { Credentials, SignClaim, WireRequest } from '../ports.ts';
import { type CosPlace, cosXmlWire } from '../protocol/cos-xml/index.ts';
import { percentEncode, readQuery, splitUrl } from '../protocol/percent.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';
import { type CosRequest, cosHeader, cosQuery, cosSignature } from '../signing/cos-signature.ts';
import { LIFETIME_SEC, signRequests } from './sign-requests.ts';

export interface CosXmlOptions extends CosPlace {
  /**
   * Sign each request by itself, with its query and with all headers that nothing on the way changes. Default false: one
   * signature for a method and a key serves until it expires, so that parts cost none; whoever gets hold of one for `PUT` could
   * replace the object with it.
   */
  readonly strict?: boolean;
}

/** Signatures begin a little earlier, for clocks that are behind. */
const EARLIER_SEC = 60;
/** One is renewed when less than this is left of its life. */
const MARGIN_SEC = 120;
/** A bound, not a policy. */
const MAX_KEPT = 1000;

/**
 * The XML API of Tencent COS, for the `wire` option. Buckets and keys are those of the JSON API.
 *
 * @example
 * uploadFile('film.mp4', {
 *   wire: cosXml({ region: 'ap-shanghai', bucket: 'films', appId: '10055004' }),
 *   path: '2024/film.mp4', signer: { secretId, secretKey },
 * });
 */
export function cosXml({ strict = false, ...place }: CosXmlOptions): XmlWire {
  const wire = cosXmlWire(place);
  const authorizer: XmlWire['authorizer'] = (given, options) => {
    const kept = new Map<string, { readonly value: string; readonly renewAtSec: number }>();
    return signRequests(given, options, {
      async sign(request, credentials, claim) {
        const own = credentials.token === undefined ? {} : { 'x-cos-security-token': credentials.token };
        const signed = { ...request, headers: { ...request.headers, ...own } };
        if (strict) return { ...signed, authorization: { value: await signAll(signed, credentials, claim) } };
        const { host, path } = splitUrl(request.url);
        const name = [credentials.secretId, request.method, host, path].join(' ');
        const known = kept.get(name);
        if (known && known.value !== claim.refused && claim.nowSec < known.renewAtSec) {
          return { ...signed, authorization: { value: known.value } };
        }
        const { endSec, ...window } = windowOf(credentials, claim);
        const covered = { method: request.method, path: decodeURIComponent(path), headers: { host } };
        const value = cosHeader(await cosSignature(covered, credentials, { ...window, endSec }));
        for (const oldest of kept.keys()) if (kept.size >= MAX_KEPT) kept.delete(oldest);
        kept.set(name, { value, renewAtSec: endSec - MARGIN_SEC });
        return { ...signed, authorization: { value } };
      },
      async presign({ method, url }, credentials, claim) {
        const { host, path } = splitUrl(url);
        const covered = { method, path: decodeURIComponent(path), headers: { host } };
        const query = cosQuery(await cosSignature(covered, credentials, windowOf(credentials, claim)));
        const { token } = credentials;
        return `${url}?${query}${token === undefined ? '' : `&x-cos-security-token=${percentEncode(token)}`}`;
      },
    });
  };
  return { ...wire, authorizer, objects: { ...(wire.objects ?? wire), authorizer } };
}

function windowOf({ expiresAtSec = Number.POSITIVE_INFINITY }: Credentials, { nowSec }: SignClaim) {
  return { startSec: nowSec - EARLIER_SEC, endSec: Math.min(nowSec + LIFETIME_SEC, expiresAtSec) };
}

/** Everything that the request asks for, and what it says of its body. */
async function signAll<C>(request: WireRequest<C>, credentials: Credentials, claim: SignClaim): Promise<string> {
  const { host, path, query } = splitUrl(request.url);
  const { content, headers = {} } = request;
  const covered: CosRequest = {
    method: request.method,
    path: decodeURIComponent(path),
    params: Object.fromEntries(readQuery(query)),
    headers: {
      host,
      ...(content && { 'content-length': String(content.sizeBytes) }),
      ...Object.fromEntries(Object.entries(headers).filter(([name]) => /^(x-cos-|content-md5$)/i.test(name))),
    },
  };
  return cosHeader(await cosSignature(covered, credentials, windowOf(credentials, claim)));
}
