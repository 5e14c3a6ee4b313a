import { systemClock } from '../clock.ts';
import type { OptionIssue } from '../errors.ts';
import type { SignClaim, Signer } from '../ports.ts';
import { formText } from '../protocol/json-api/dialect.ts';
import { toInteger, toText } from '../protocol/json-api/json.ts';
import { quote } from '../protocol/responses.ts';
import { askEndpoint, RemoteSignerError, TIMEOUT_MS } from './ask-endpoint.ts';
import { cachedSigner } from './cached-signer.ts';
import { refuseIssues, timeoutIssues } from './option-issues.ts';

export interface TokenServerOptions {
  /** `http://token.example/get_token`. A query that it has stays. */
  readonly url: string;
  /** Of HTTP Basic authentication. Default: the application's id. */
  readonly user?: string;
  /** Of HTTP Basic authentication: at WOS the secret id. Keep it out of browsers. */
  readonly password: string;
  /** More of the query, beside `bucket` and `filename`: `{ op: 'upload' }`. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** How long the server may take for an answer. Default 30 000 ms. */
  readonly timeoutMs?: number;
  /** Default: the runtime's. */
  readonly fetch?: typeof fetch;
}

const NAME = 'the token server';

/**
 * Asks a token server for signatures, as deployments beside Tencent's have one: `GET url?bucket=...&filename=...` with HTTP
 * Basic authentication, answered by `{"code": 0, "data": "<signature>"}` (protocol section 1). `filename` is the object's path.
 *
 * Signatures are kept until shortly before they expire, as those of `remoteSigner` are.
 *
 * @throws CosSliceError `invalid-options`; RemoteSignerError from `sign`
 */
export function tokenServerSigner(options: TokenServerOptions): Signer {
  refuseIssues('tokenServerSigner', issuesOf(options));
  const ask: Signer = { sign: (claim, signal) => requestToken(options, claim, signal) };
  return cachedSigner(ask, { clock: systemClock, timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
}

async function requestToken(options: TokenServerOptions, claim: SignClaim, signal: AbortSignal): Promise<string> {
  const { url: address, user = claim.appId, password, parameters = {} } = options;
  const query = formText(Object.entries({ bucket: claim.bucket, filename: claim.path, ...parameters }));
  const url = `${address}${address.includes('?') ? '&' : '?'}${query}`;
  const headers = { Authorization: `Basic ${toBase64(`${user}:${password}`)}` };
  const endpoint = { name: NAME, shape: '{"code": 0, "data": "<signature>"}', fetch: options.fetch, url };
  try {
    return await askEndpoint(endpoint, { headers, signal }, ({ code, message, data }) => {
      const number = toInteger(code) ?? 0;
      // Some come ready for a URL.
      if (number === 0) return decoded(toText(data));
      throw new RemoteSignerError(`${NAME} refuses: ${`${number} ${quote(toText(message))}`.trim()}`);
    });
  } catch (error) {
    if (!(error instanceof RemoteSignerError) || error.httpStatus !== 401) throw error;
    const what = `${NAME} answered HTTP 401: check user (by default the application's id) and password`;
    throw new RemoteSignerError(what, { httpStatus: 401, cause: error });
  }
}

function issuesOf(options: TokenServerOptions): OptionIssue[] {
  const { url, user, password, parameters, timeoutMs } = options ?? {};
  const issues = timeoutIssues(timeoutMs);
  if (typeof url !== 'string' || !/^https?:\/\/[^/@\s]+(\/[^#\s]*)?$/.test(url)) {
    const message = 'must be the URL of the token server, with http:// or https:// and without user and password';
    issues.push({ option: 'url', message });
  }
  for (const [option, text] of Object.entries({ user: user ?? 'any', password })) {
    if (typeof text !== 'string' || text === '') issues.push({ option, message: 'must be a text and not empty' });
    else if (/^\s|\s$|\p{Cc}/u.test(text)) issues.push({ option, message: 'must not begin or end in white space' });
  }
  // What ends the user's name for HTTP Basic authentication.
  if (typeof user === 'string' && user.includes(':'))
    issues.push({ option: 'user', message: 'must not contain a colon' });
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (typeof value !== 'string') issues.push({ option: `parameters.${name}`, message: 'must be a text' });
  }
  return issues;
}

function decoded(token: string): string {
  // All that a signature has in it is a byte.
  return token.replace(/%([\dA-F]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Of the text's UTF-8. */
function toBase64(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
