import type { ErrorCode, Remedy } from '../errors.ts';
import type { WireResponse } from '../ports.ts';
import type { Failure } from './operations.ts';
import { failed, isPassing, quote, TOO_LARGE_HINT } from './responses.ts';

type Meaning = readonly [code: ErrorCode, hint: string, remedy?: Remedy];

const REFUSED: Meaning = ['bad-request', 'the server refused the request: check endpoint, application id and bucket'];
const FAILING: Meaning = ['unavailable', 'the server failed: try again later', 'backoff'];
const KEYS: Meaning = [
  'unauthorized',
  'the signature is refused: check application id, bucket, secret id and secret key',
];

/** What the XML API of COS, which answers for the JSON API where a request does not reach it, calls things. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  AccessDenied: KEYS,
  InvalidAccessKeyId: KEYS,
  SignatureDoesNotMatch: KEYS,
  NoSuchBucket: ['bucket-not-found', 'the bucket does not exist: check its name, the application id and the region'],
  NoSuchKey: ['not-found', 'nothing is at this path'],
  RequestTimeTooSkewed: ['signature-expired', "the signature is of another time: check the signer's clock", 'resign'],
  EntityTooLarge: ['bad-request', TOO_LARGE_HINT],
  SlowDown: ['unavailable', 'the server asks for fewer requests', 'backoff'],
};

/** Reads `<Error><Code/><Message/><RequestId/></Error>`; undefined for any other body. */
export function xmlFailure(response: WireResponse): Failure | undefined {
  const body = response.body.slice(0, 65_536);
  if (!/^\s*(<\?xml[^>]*\?>\s*)?<Error[\s>/]/.test(body)) return undefined;
  const textOf = (name: string): string =>
    quote(unescaped(new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? ''));
  const wireCode = textOf('Code');
  const [code, hint, remedy = 'none'] = MEANINGS[wireCode] ?? (isPassing(response) ? FAILING : REFUSED);
  const requestId = textOf('RequestId') || response.header('x-cos-request-id');
  const said = [wireCode || `HTTP ${response.status}`, textOf('Message')].filter(Boolean).join(' ');
  return failed(response, code, `${hint} (server: ${said})`, { remedy, wireCode: wireCode || undefined, requestId });
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_all, name: string) => ENTITIES[name] ?? '');
}
