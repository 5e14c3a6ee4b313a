import { systemClock } from '../clock.ts';
import type { RequestSigner, RequestToSign, SignClaim, SignedRequest, Signer } from '../ports.ts';
import { askEndpoint, RemoteSignerError, TIMEOUT_MS } from './ask-endpoint.ts';
import { cachedSigner } from './cached-signer.ts';
import { createKeeper } from './keeper.ts';
import { refuseIssues, timeoutIssues } from './option-issues.ts';

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

const NAME = 'the signing endpoint';
const SIGNED = '{"signed": [...]} with an answer for each request';

/**
 * Asks the application's own endpoint for signatures, so that the secret key stays there. The endpoint decides whether to sign.
 *
 * - On the JSON API: `POST url` with the claim as JSON (`{appId, bucket, path, effect, nowSec}`), answered by
 *   `{"signature": "<base64>"}`.
 * - On the XML API of COS and on S3: `POST url` with `{"requests": [{method, bucket, key, query, headers}]}`, answered by
 *   `{"signed": [...]}` with a `SignedRequest` for each, or `{"refused": "why"}`. `createSigningEndpoint` answers so.
 *
 * Signatures are kept until shortly before they expire and fetched once however many ask at the same time. Failures worth
 * another try are tried again by the upload, within its retry budget.
 *
 * @throws RemoteSignerError (from `sign` and `signRequests`)
 */
export function remoteSigner(options: string | RemoteSignerOptions): Signer & RequestSigner {
  const settings = typeof options === 'string' ? { url: options } : options;
  const issues = timeoutIssues(settings?.timeoutMs);
  if (typeof settings?.url !== 'string' || settings.url === '') {
    issues.unshift({ option: 'url', message: 'must be the URL of the signing endpoint' });
  }
  refuseIssues('remoteSigner', issues);
  const ask: Signer = {
    sign({ refused: _refused, ...claim }, signal) {
      return requestSignature(settings, claim, signal);
    },
  };
  const patience = { clock: systemClock, timeoutMs: settings.timeoutMs ?? TIMEOUT_MS };
  const signer = cachedSigner(ask, patience);
  // Each upload keeps what it gets.
  const keeper = createKeeper<readonly SignedRequest[]>({
    ...patience,
    name: NAME,
    must: `answer ${SIGNED}`,
    isUsable: Array.isArray,
  });
  return {
    sign: (claim, signal) => signer.sign(claim, signal),
    signRequests: (requests, signal) =>
      keeper.get(
        undefined,
        { ask: (asking) => requestSignatures(settings, requests, asking), lifeMs: () => 0, isRefused: () => false },
        signal,
      ),
  };
}

async function requestSignature(settings: RemoteSignerOptions, claim: SignClaim, signal: AbortSignal): Promise<string> {
  const init = await postOf(settings, claim, signal);
  const endpoint = { name: NAME, shape: '{"signature": "<base64>"}', ...settings };
  return askEndpoint(endpoint, init, ({ signature }) => (isText(signature) ? signature : undefined));
}

async function requestSignatures(
  settings: RemoteSignerOptions,
  requests: readonly RequestToSign[],
  signal: AbortSignal,
): Promise<readonly SignedRequest[]> {
  const init = await postOf(settings, { requests }, signal);
  return askEndpoint({ name: NAME, shape: SIGNED, ...settings }, init, ({ signed }) =>
    Array.isArray(signed) && signed.length === requests.length ? signed : undefined,
  );
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
