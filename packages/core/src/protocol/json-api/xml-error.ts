import type { WireResponse } from '../../ports.ts';
import type { Failure } from '../operations.ts';
import { failed, isPassing, quote } from '../responses.ts';
import { meaningOf } from '../words.ts';
import { FAILING, MEANINGS, type Meaning, TOO_LARGE } from './codes.ts';

const STRANGE: Meaning = ['bad-request', 'the server refused the request: check endpoint, application id and bucket'];

/** What the XML API of COS, which answers for the JSON API where a request does not reach it, calls things. */
const NAMES: Readonly<Record<string, Meaning | undefined>> = {
  AccessDenied: MEANINGS[-97],
  InvalidAccessKeyId: MEANINGS[-97],
  SignatureDoesNotMatch: MEANINGS[-97],
  NoSuchBucket: MEANINGS[-133],
  NoSuchKey: MEANINGS[-197],
  RequestTimeTooSkewed: MEANINGS[-96],
  EntityTooLarge: TOO_LARGE,
  SlowDown: MEANINGS[-71],
};

/** Reads `<Error><Code/><Message/><RequestId/></Error>`; undefined for any other body. */
export function xmlFailure(response: WireResponse): Failure | undefined {
  const body = response.body.slice(0, 65_536);
  if (!/^\s*(<\?xml[^>]*\?>\s*)?<Error[\s>/]/.test(body)) return undefined;
  const textOf = (name: string): string =>
    quote(unescaped(new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1] ?? ''));
  const wireCode = textOf('Code');
  const [code, hint, remedy = 'none'] = meaningOf(NAMES, wireCode) ?? (isPassing(response) ? FAILING : STRANGE);
  const requestId = textOf('RequestId') || response.header('x-cos-request-id');
  const said = `${wireCode || `HTTP ${response.status}`} ${textOf('Message')}`.trim();
  return failed(response, code, `${hint} (server: ${said})`, { remedy, wireCode: wireCode || undefined, requestId });
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_all, name: string) => ENTITIES[name] ?? '');
}
