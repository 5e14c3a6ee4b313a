import type { WireResponse } from '../../ports.ts';
import type { Failure } from '../operations.ts';
import { failed, foreignResponse, isPassing, quote } from '../responses.ts';
import { meaningOf } from '../words.ts';
import { EXPIRED, FAILING, MEANINGS, type Meaning, REFUSED, STATUSES } from './codes.ts';
import { readXml, textOf, type XmlElement } from './reader.ts';

/** What a server has refused, by its own code where it has told one. */
export interface Refusal extends Failure {
  readonly wireCode: string;
}

const isError = (response: WireResponse, root: XmlElement | undefined): boolean =>
  root?.name === 'Error' || response.status >= 300;

/**
 * What a response refuses; undefined when it does not. A 200 may: these servers begin to answer before they have finished.
 *
 * @param root its body as XML, where it is
 */
export function refusalOf(
  response: WireResponse,
  root: XmlElement | undefined = readXml(response.body),
): Refusal | undefined {
  if (!isError(response, root)) return undefined;
  const { status, body } = response;
  const isXml = root?.name === 'Error';
  // HEAD is answered without a body; anything else that is not XML is not the server's.
  if (!isXml && body.trim() !== '') return { ...foreignResponse(response), wireCode: '' };
  const code = textOf(root, 'Code');
  const message = textOf(root, 'Message');
  const requestId =
    textOf(root, 'RequestId') || response.header('x-cos-request-id') || response.header('x-amz-request-id');
  // Ceph gives no reason, and a signature that has expired is one.
  const isSilent = code === 'AccessDenied' && message === '';
  const known = /expired/i.test(message) && status === 403 ? EXPIRED : meaningOf(MEANINGS, isSilent ? '' : code);
  const [meaning, hint, remedy = 'none']: Meaning =
    known ?? (isPassing(response) ? FAILING : ((code && !isSilent ? undefined : STATUSES[status]) ?? REFUSED));
  const said = quote(`${code || `HTTP ${status}`} ${message}`);
  const region = textOf(root, 'Region') || response.header('x-amz-bucket-region');
  const where = region ? `; it is ${quote(region)}` : '';
  const failure = failed(response, meaning, `${hint}${where} (server: ${said})`, {
    remedy,
    wireCode: code || undefined,
    requestId: requestId || undefined,
    ...serverTime(textOf(root, 'ServerTime')),
  });
  return { ...failure, wireCode: code };
}

/** The server's own clock, where a refusal tells it and pages do not get to see the `Date`. */
function serverTime(text: string): { readonly serverDateMs?: number } {
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? {} : { serverDateMs: dateMs };
}
