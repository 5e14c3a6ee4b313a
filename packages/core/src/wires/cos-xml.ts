import type { Credentials, SignClaim, WireRequest } from '../ports.ts';
import { type CosPlace, cosXmlWire } from '../protocol/cos-xml/index.ts';
import { percentEncode, readQuery, splitUrl } from '../protocol/percent.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';
import { type CosRequest, cosHeader, cosQuery, cosSignature } from '../signing/cos-signature.ts';
import type { Covered } from './request-signing.ts';
import { LIFETIME_SEC, signerMust, signRequests } from './sign-requests.ts';

export interface CosXmlOptions extends CosPlace {
  /**
   * Sign each part by itself, with its number, its length and its MD5. Default false: one signature serves all parts of an
   * upload until it expires, so that they cost none; whoever gets hold of it could send other parts.
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
  const cover = <C>(request: WireRequest<C>): Covered => coverOf(request, strict);
  const authorizer: XmlWire['authorizer'] = (given, options) => {
    const { lifetimeSec = LIFETIME_SEC } = options;
    const kept = new Map<string, { readonly value: string; readonly renewAtSec: number }>();
    return signRequests(given, options, {
      wire,
      cover,
      async sign(request, credentials, claim) {
        const own = credentials.token === undefined ? {} : { 'x-cos-security-token': credentials.token };
        const signed = { ...request, headers: { ...request.headers, ...own } };
        const { url, headers } = cover(signed);
        const name = JSON.stringify([credentials.secretId, request.method, url, headers]);
        const known = kept.get(name);
        if (known && known.value !== claim.refused && claim.nowSec < known.renewAtSec) {
          return { ...signed, authorization: { value: known.value } };
        }
        const window = windowOf(credentials, claim, lifetimeSec);
        const covered = { method: request.method, url, headers };
        const value = cosHeader(await cosSignature(toCosRequest(covered), credentials, window));
        for (const oldest of kept.keys()) if (kept.size >= MAX_KEPT) kept.delete(oldest);
        kept.set(name, { value, renewAtSec: window.endSec - MARGIN_SEC });
        return { ...signed, authorization: { value } };
      },
      async presign({ method, url, headers = {} }, credentials, claim) {
        const window = windowOf(credentials, claim, lifetimeSec);
        const query = cosQuery(await cosSignature(toCosRequest({ method, url, headers }), credentials, window));
        const { token } = credentials;
        const all = token === undefined ? query : `${query}&x-cos-security-token=${percentEncode(token)}`;
        return `${url}${url.includes('?') ? '&' : '?'}${all}`;
      },
    });
  };
  const signed = { authorizer, signerMust };
  return { ...wire, ...signed, objects: { ...(wire.objects ?? wire), ...signed } };
}

function windowOf(
  { expiresAtSec = Number.POSITIVE_INFINITY }: Credentials,
  { nowSec }: SignClaim,
  lifetimeSec: number,
) {
  return { startSec: nowSec - EARLIER_SEC, endSec: Math.min(nowSec + lifetimeSec, expiresAtSec) };
}

/**
 * What a signature covers: the query, the headers that are COS's own, and what is said of the body, as far as nothing on the way
 * changes it. Of parts it leaves out what tells one from another, unless it is strict.
 */
function coverOf<C>({ url, headers = {}, content }: WireRequest<C>, strict: boolean): Covered {
  const [, start = url, number, end = ''] = /^(.*[?])(partNumber=\d+)&(.*)$/.exec(url) ?? [];
  if (number !== undefined && !strict) return { url: start + end, rest: number, headers: ownOf(headers, /^x-cos-/) };
  return {
    url,
    headers: {
      ...(content && { 'content-length': String(content.sizeBytes) }),
      ...ownOf(headers, /^(x-cos-|content-md5$)/),
    },
  };
}

function ownOf(headers: Readonly<Record<string, string>>, names: RegExp): Record<string, string> {
  const all = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return Object.fromEntries(all.filter(([name]) => names.test(name)));
}

function toCosRequest({ method, url, headers }: WireRequest<never>): CosRequest {
  const { host, path, query } = splitUrl(url);
  const params = Object.fromEntries(readQuery(query));
  return { method, path: decodeURIComponent(path), params, headers: { host, ...headers } };
}
