import type { WireRequest } from '../ports.ts';
import { type S3Place, s3Wire } from '../protocol/s3/index.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';
import { digestHex } from '../signing/hash.ts';
import { amzDate, presignV4, signV4, UNSIGNED_PAYLOAD } from '../signing/sig-v4.ts';
import type { Covered } from './request-signing.ts';
import { LIFETIME_SEC, signerMust, signRequests } from './sign-requests.ts';

export interface S3Options extends S3Place {
  /** Default `us-east-1`, which servers of one's own take. */
  readonly region?: string;
}

/**
 * S3, for the `wire` option: AWS, Ceph, MinIO, R2, OSS and others. Requests are signed with Signature Version 4: each by itself,
 * headers and texts with it; content goes by its MD5 where `integrity` is `md5`.
 *
 * @example
 * uploadFile('film.mp4', {
 *   wire: s3({ endpoint: 'https://s3.eu-central-1.amazonaws.com', region: 'eu-central-1', bucket: 'films' }),
 *   path: '2024/film.mp4', signer: { secretId, secretKey },
 * });
 */
export function s3({ region = 'us-east-1', ...place }: S3Options): XmlWire {
  const wire = s3Wire(place);
  const authorizer: XmlWire['authorizer'] = (given, options) => {
    const keys = new Map();
    const { lifetimeSec = LIFETIME_SEC } = options;
    return signRequests(given, options, {
      wire,
      cover,
      async sign(request, credentials, { nowSec }) {
        const payloadHash = request.content ? UNSIGNED_PAYLOAD : await digestHex('SHA-256', request.text ?? '');
        const own = {
          'x-amz-content-sha256': payloadHash,
          'x-amz-date': amzDate(nowSec),
          ...(credentials.token !== undefined && { 'x-amz-security-token': credentials.token }),
        };
        const { method, url } = request;
        const headers = { ...signedOf(request), ...own };
        const value = await signV4({ method, url, headers, payloadHash }, credentials, { region, nowSec, keys });
        return { ...request, headers: { ...request.headers, ...own }, authorization: { value } };
      },
      presign({ method, url, headers = {} }, credentials, { nowSec }) {
        return presignV4({ method, url, headers }, credentials, { region, nowSec, keys, expiresSec: lifetimeSec });
      },
    });
  };
  const signed = { authorizer, signerMust };
  return { ...wire, ...signed, objects: { ...(wire.objects ?? wire), ...signed } };
}

/**
 * What somebody else signs: the whole query, headers of the API's own, and the length of the content. Not its MD5, which goes
 * along all the same: signatures for the parts to come could not be asked for before they are read.
 */
function cover<C>(request: WireRequest<C>): Covered {
  const { url, content } = request;
  const headers = Object.entries(signedOf(request))
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => name !== 'content-md5');
  return {
    url,
    headers: {
      ...(content && { 'content-length': String(content.sizeBytes) }),
      ...Object.fromEntries(headers),
    },
  };
}

/** Of the headers, those that nothing on the way changes. */
function signedOf<C>({ headers = {} }: WireRequest<C>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => /^(x-amz-|content-md5$|if-none-match$)/i.test(name)),
  );
}
