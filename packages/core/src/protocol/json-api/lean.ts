import { CosSliceError, isCosSliceError, type Remedy } from '../../errors.ts';
import type { WireResponse } from '../../ports.ts';
import type { Failure } from '../operations.ts';
import type { Wire } from '../wire.ts';
import { parseJson, toInteger, toObject, toText } from './json.ts';
import { jsonApiRequests } from './requests.ts';
import { decodeStraight } from './straight.ts';

/**
 * The COS JSON API for those who load code late: what an answer means that does not lead straight on, `load` tells.
 *
 * @param load brings `decode`. Where it cannot, a refusal comes with the server's words alone.
 */
export function leanJsonApi(load: () => Promise<Pick<Wire, 'decode'>>): Wire {
  return {
    ...jsonApiRequests,
    decode: (operation, response, at) =>
      decodeStraight(operation, response) ??
      load().then(
        ({ decode }) => decode(operation, response, at),
        (cause) => refusal(response, cause),
      ),
  };
}

/** Signatures that have expired (protocol section 5). */
const EXPIRED: readonly unknown[] = [-59, -96];

/** As much as can be told without the table of codes: whether another try, or another signature, may help. */
function refusal({ status, body }: WireResponse, cause: unknown): Failure {
  const { code, message } = toObject(parseJson(body));
  const wireCode = toInteger(code);
  const isPassing = status >= 500 || status === 429;
  let remedy: Remedy = isPassing || (isCosSliceError(cause) && cause.remedy === 'backoff') ? 'backoff' : 'none';
  if (EXPIRED.includes(wireCode)) remedy = 'resign';
  const what = `the server refused the request (HTTP ${status}: ${wireCode} ${toText(message).replace(/\s+/g, ' ').slice(0, 200)})`;
  const facts = { cause, remedy, wireCode, httpStatus: status };
  return { kind: 'failed', error: new CosSliceError(isPassing ? 'unavailable' : 'bad-request', what, facts) };
}
