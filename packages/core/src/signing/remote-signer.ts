import { systemClock } from '../clock.ts';
import { CosSliceError } from '../errors.ts';
import type { SignClaim, Signer } from '../ports.ts';
import { askEndpoint, RemoteSignerError, TIMEOUT_MS } from './ask-endpoint.ts';
import { cachedSigner } from './cached-signer.ts';

/** An object, or pairs such as `Headers` yields. */
export type SignHeaders = Readonly<Record<string, string>> | Iterable<readonly [name: string, value: string]>;

export interface RemoteSignerOptions {
  /** The application's own signing endpoint; relative URLs are for pages. */
  readonly url: string;
  /** Sent with each request, such as the application's own credentials; a function, which may be async, is asked each time. */
  readonly headers?: SignHeaders | Promise<SignHeaders> | (() => SignHeaders | Promise<SignHeaders>);
  /** Whether cookies go to another origin. Default `same-origin`. */
  readonly credentials?: 'omit' | 'same-origin' | 'include';
  /** How long the endpoint may take for an answer. Default 30 000 ms. */
  readonly timeoutMs?: number;
  /** Default: the runtime's. */
  readonly fetch?: typeof fetch;
}

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
  const init = await postOf(settings, claim, signal);
  const endpoint = { name: 'the signing endpoint', shape: '{"signature": "<base64>"}', ...settings };
  return askEndpoint(endpoint, init, ({ signature }) => (isText(signature) ? signature : undefined));
}

/** The request to an application's own endpoint. */
export async function postOf(
  { headers, credentials }: RemoteSignerOptions,
  body: object,
  signal: AbortSignal,
): Promise<RequestInit & { readonly signal: AbortSignal }> {
  return {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(await readHeaders(headers)) },
    body: JSON.stringify(body),
    // The runtime's own default stays unsaid: some refuse to hear of credentials.
    ...(credentials && { credentials }),
    signal,
  };
}

async function readHeaders(given: RemoteSignerOptions['headers'] = {}): Promise<Record<string, string>> {
  const headers: unknown = await (typeof given === 'function' ? given() : given);
  const pairs: (readonly string[])[] = isPairs(headers) ? [...headers] : Object.entries(Object(headers));
  const readable =
    typeof headers === 'object' && headers !== null && pairs.every((pair) => pair.length === 2 && pair.every(isText));
  if (!readable) {
    const issues = [
      { option: 'headers', message: 'must be an object of texts, Headers, or a function that returns them' },
    ];
    throw new RemoteSignerError(`remoteSigner: headers ${issues[0]?.message}`, { issues });
  }
  return Object.fromEntries(pairs as [string, string][]);
}

function isPairs(value: unknown): value is Iterable<readonly [string, string]> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
