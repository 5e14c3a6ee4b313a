import { CosSliceError, type ErrorDetails, isCosSliceError } from '../errors.ts';
import { quote } from '../protocol/responses.ts';

/** The signing endpoint failed or answered nonsense. `httpStatus` is its status, when it answered. */
export class RemoteSignerError extends CosSliceError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('signing-failed', message, details);
  }
}

/** How long an endpoint may take for an answer, unless it is told otherwise. */
export const TIMEOUT_MS = 30_000;

export interface AskedEndpoint {
  readonly url: string;
  /** What messages call it: `the signing endpoint`. */
  readonly name: string;
  /** What it answers with when all is well: `{"signature": "<base64>"}`. */
  readonly shape: string;
  /** Default: the runtime's. */
  readonly fetch?: typeof fetch | undefined;
}

/**
 * Makes one request to an endpoint that hands out signatures or credentials.
 *
 * @param read takes what is wanted out of the answer, and when that was sent by the endpoint's clock, in epoch seconds, where it
 *   tells and pages may see it: undefined when there is none
 * @throws RemoteSignerError; `init.signal.reason` when aborted
 */
export async function askEndpoint<T>(
  { url, name, shape, fetch: send = fetch }: AskedEndpoint,
  init: RequestInit & { readonly signal: AbortSignal },
  read: (reply: Readonly<Record<string, unknown>>, sentAtSec: number | undefined) => T | undefined,
): Promise<T> {
  let response: Awaited<ReturnType<typeof fetch>>;
  let text: string;
  try {
    // What is sent there, credentials with it, goes nowhere else.
    response = await send(url, { ...init, redirect: 'manual' });
    text = await response.text();
  } catch (error) {
    if (init.signal.aborted) throw init.signal.reason;
    if (isCosSliceError(error)) throw error;
    if (!canBeMade(url)) throw new RemoteSignerError(`${name} cannot be asked: ${NO_URL}`);
    if (!canBeMade(url, init)) throw new RemoteSignerError(`${name} cannot be asked: ${NO_HEADERS}`);
    const what = `${name} cannot be reached: check its URL, the network, and in pages its CORS headers`;
    throw new RemoteSignerError(what, { cause: error, remedy: 'backoff', unreachable: true });
  }
  const { status } = response;
  if (response.type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    const target = (response.headers.get('location') ?? '').replace(/[?#].*/s, '');
    const to = target ? `to ${quote(target)}` : 'elsewhere';
    throw new RemoteSignerError(`${name} redirects ${to}: give the URL that answers by itself`);
  }
  if (!response.ok) {
    const passing = status >= 500 || status === 429 || status === 408;
    const remedy = passing ? 'backoff' : 'none';
    throw new RemoteSignerError(`${name} answered HTTP ${status}`, { httpStatus: status, remedy });
  }
  const sentAtMs = Date.parse(response.headers.get('date') ?? '');
  const answer = read(parseReply(text), Number.isNaN(sentAtMs) ? undefined : sentAtMs / 1000);
  if (answer) return answer;
  throw new RemoteSignerError(`${name} must answer ${shape}`, { httpStatus: status });
}

const NO_URL = 'its URL must be a whole one (in pages it may be relative), without user and password';
const NO_HEADERS = 'there are headers that cannot be sent, perhaps with a line break in them';

/** Whether the runtime would send it. Its own words on that repeat passwords and keys. */
function canBeMade(url: string, init?: RequestInit): boolean {
  try {
    return !!new Request(url, init);
  } catch (error) {
    // Where somebody brings a `fetch`, there may be no `Request`.
    return !(error instanceof TypeError);
  }
}

function parseReply(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
