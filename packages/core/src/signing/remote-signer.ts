import { systemClock } from '../clock.ts';
import { CosSliceError, type ErrorDetails } from '../errors.ts';
import type { SignClaim, Signer } from '../ports.ts';
import { cachedSigner } from './cached-signer.ts';

export interface RemoteSignerOptions {
  /** The application's own signing endpoint; relative URLs are for pages. */
  readonly url: string;
  /** Sent with each request, such as the application's own credentials; a function is asked each time. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
  /** Whether cookies go to another origin. Default `same-origin`. */
  readonly credentials?: 'omit' | 'same-origin' | 'include';
  /** How long the endpoint may take for an answer. Default 30 000 ms. */
  readonly timeoutMs?: number;
  /** Default: the runtime's. */
  readonly fetch?: typeof fetch;
}

/** The signing endpoint failed or answered nonsense. `httpStatus` is its status, when it answered. */
export class RemoteSignerError extends CosSliceError {
  constructor(message: string, details: ErrorDetails = {}) {
    super('signing-failed', message, details);
  }
}

const TIMEOUT_MS = 30_000;

/**
 * Asks the application's own endpoint for signatures, so that the secret key stays there: `POST url` with the claim as JSON
 * (`{appId, bucket, path, effect, nowSec}`), answered by `{"signature": "<base64>"}`. The endpoint decides whether to sign.
 *
 * Signatures are kept until shortly before they expire and fetched once however many ask at the same time. Failures worth
 * another try are tried again by the upload, within its retry budget.
 *
 * @throws RemoteSignerError (from `sign`)
 */
export function remoteSigner(options: string | RemoteSignerOptions): Signer {
  const settings = typeof options === 'string' ? { url: options } : options;
  if (typeof settings.url !== 'string' || settings.url === '') {
    const issues = [{ option: 'url', message: 'must be the URL of the signing endpoint' }];
    throw new CosSliceError('invalid-options', `remoteSigner: url ${issues[0]?.message}`, { issues });
  }
  const ask: Signer = {
    sign({ refused: _refused, ...claim }, signal) {
      return requestSignature(settings, claim, signal);
    },
  };
  return cachedSigner(ask, { clock: systemClock, timeoutMs: settings.timeoutMs ?? TIMEOUT_MS });
}

async function requestSignature(settings: RemoteSignerOptions, claim: SignClaim, signal: AbortSignal): Promise<string> {
  const { url, headers = {}, credentials = 'same-origin' } = settings;
  const send = settings.fetch ?? fetch;
  let response: Awaited<ReturnType<typeof fetch>>;
  let text: string;
  try {
    response = await send(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(typeof headers === 'function' ? headers() : headers) },
      body: JSON.stringify(claim),
      credentials,
      signal,
    });
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const what = 'the signing endpoint cannot be reached: check its URL, the network, and in pages its CORS headers';
    throw new RemoteSignerError(what, { cause: error, remedy: 'backoff', unreachable: true });
  }
  const { status } = response;
  if (!response.ok) {
    const passing = status >= 500 || status === 429 || status === 408;
    throw new RemoteSignerError(`the signing endpoint answered HTTP ${status}`, {
      httpStatus: status,
      remedy: passing ? 'backoff' : 'none',
    });
  }
  const signature = readSignature(text);
  if (signature === undefined) {
    throw new RemoteSignerError('the signing endpoint must answer {"signature": "<base64>"}', { httpStatus: status });
  }
  return signature;
}

function readSignature(text: string): string | undefined {
  try {
    const { signature } = JSON.parse(text);
    return typeof signature === 'string' && signature !== '' ? signature : undefined;
  } catch {
    return undefined;
  }
}
