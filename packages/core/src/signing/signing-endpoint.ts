import { systemClock } from '../clock.ts';
import type { OptionIssue } from '../errors.ts';
import type {
  Authorizer,
  Credentials,
  CredentialsProvider,
  RefusedRequest,
  RequestToSign,
  SignedRequest,
} from '../ports.ts';
import { percentEncode } from '../protocol/percent.ts';
import type { XmlWire } from '../protocol/xml/wire.ts';
import { TIMEOUT_MS } from './ask-endpoint.ts';
import { keepCredentials } from './credentials.ts';
import { refuseIssues } from './option-issues.ts';
import { allowanceIssues, type SigningAllowance, whyNot } from './signing-allowance.ts';

export interface SigningEndpointOptions {
  /** `cosXml(...)` or `s3(...)` of the one bucket that is signed for, with the endpoint that the clients go to. */
  readonly wire: XmlWire;
  /** Their keys stay here. Give them leave for what is uploaded and nothing else: what they may not do, no signature allows. */
  readonly credentials: Credentials | CredentialsProvider;
  /** How long a signature is good, in seconds: 60 to 604 800 (7 days). Default 900. */
  readonly lifetimeSec?: number;
  /**
   * Headers of the store's own that may be signed, with their values: `{ 'x-amz-acl': 'public-read' }`. Metadata may be signed in
   * any case, and what keeps objects from being replaced.
   */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An HTTP response: its status, and its body before it is made into JSON. */
export interface SigningAnswer {
  readonly status: 200 | 400;
  readonly body: { readonly signed: readonly (SignedRequest | RefusedRequest)[] } | { readonly message: string };
}

/**
 * @param body of the request, as JSON has been read
 * @param allowed what the user who asks may do
 * @throws CosSliceError `invalid-options` when `allowed` is unclear; what the credentials' provider throws
 */
export type SigningEndpoint = (body: unknown, allowed: SigningAllowance) => Promise<SigningAnswer>;

const MIN_LIFETIME_SEC = 60;
const MAX_LIFETIME_SEC = 7 * 24 * 3600;
/** A bound on the work that one question makes. */
const MAX_REQUESTS = 1000;

/**
 * The application's side of `remoteSigner` on the XML API of COS and on S3: says to each request that a client wants to make
 * whether the user may, and if so, gives away a URL with a signature for it and for nothing else. It never sees contents.
 *
 * @example
 * const sign = createSigningEndpoint({ wire: s3({ endpoint, region, bucket: 'films' }), credentials: { secretId, secretKey } });
 * app.post('/sign', express.json(), async (req, res) => {
 *   const { status, body } = await sign(req.body, { path: `users/${req.user.id}/`, maxBytes: 10 * 1024 ** 3 });
 *   res.status(status).json(body);
 * });
 *
 * @throws CosSliceError `invalid-options`
 */
export function createSigningEndpoint(options: SigningEndpointOptions): SigningEndpoint {
  refuseIssues('createSigningEndpoint', optionIssues(options));
  const { wire, credentials: given, lifetimeSec = 900, headers: more = {} } = options;
  const headers = Object.fromEntries(Object.entries(more).map(([name, value]) => [name.toLowerCase(), value]));
  const patience = { clock: systemClock, timeoutMs: TIMEOUT_MS };
  const kept = keepCredentials(given, patience);
  let known: { readonly credentials: Credentials; readonly authorizer: Authorizer | undefined } | undefined;

  /** Signs with what the credentials are at the moment. */
  const begin = async (): Promise<(request: RequestToSign) => Promise<SignedRequest>> => {
    const nowSec = Math.floor(systemClock.nowMs() / 1000);
    const { signal } = new AbortController();
    const credentials = await kept.get(nowSec, undefined, signal);
    if (known?.credentials !== credentials) {
      known = { credentials, authorizer: wire.authorizer?.(credentials, { ...patience, lifetimeSec }) };
    }
    const { authorizer } = known;
    const { expiresAtSec = Number.POSITIVE_INFINITY } = credentials;
    const expiresInSec = Math.max(0, Math.min(lifetimeSec, expiresAtSec - nowSec));
    return async ({ method, key, query, headers: covered }) => {
      const request = { method, url: urlOf(wire, key, query), headers: covered };
      const claim = { appId: '', bucket: '', path: key, effect: 'multi', nowSec } as const;
      return { url: await authorizer?.presign?.(request, claim, signal), expiresInSec };
    };
  };

  return async (body, allowed) => {
    refuseIssues('createSigningEndpoint', allowanceIssues(allowed));
    const requests = readRequests(body);
    if (typeof requests === 'string') return { status: 400, body: { message: requests } };
    const sign = await begin();
    const answers = requests.map((request) => {
      const refused = whyNot(request, allowed, wire, headers);
      return refused === undefined ? sign(request) : { refused };
    });
    return { status: 200, body: { signed: await Promise.all(answers) } };
  };
}

function urlOf({ bucketUrl }: XmlWire, key: string, query: RequestToSign['query']): string {
  const pairs = Object.entries(query).map(([name, value]) => [name, value].map(percentEncode));
  const text = pairs.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join('&');
  return `${bucketUrl}${key.split('/').map(percentEncode).join('/')}${text && `?${text}`}`;
}

/** What a client wants to have signed, or why it cannot be read. */
function readRequests(body: unknown): readonly RequestToSign[] | string {
  const { requests } = Object(body) as { requests?: unknown };
  if (!Array.isArray(requests)) return 'the body must be {"requests": [...]} as JSON';
  if (requests.length > MAX_REQUESTS) return `at most ${MAX_REQUESTS} requests are signed at once`;
  const read = requests.map(readRequest);
  if (read.includes(undefined)) return 'each request must have method, bucket, key, query and headers';
  return read as RequestToSign[];
}

function readRequest(given: unknown): RequestToSign | undefined {
  const { method, bucket, key, query, headers } = Object(given) as Record<string, unknown>;
  const texts = [method, bucket, key];
  if (!texts.every((text) => typeof text === 'string') || !areTexts(query) || !areTexts(headers)) return undefined;
  return { method, bucket, key, query, headers } as RequestToSign;
}

function areTexts(value: unknown): value is Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}

function optionIssues({ wire, credentials, lifetimeSec, headers }: SigningEndpointOptions): OptionIssue[] {
  const issues: OptionIssue[] = [];
  const check = (option: string, isRight: boolean, message: string): void => {
    if (!isRight) issues.push({ option, message });
  };
  const isWire = typeof wire?.authorizer === 'function' && typeof wire.bucketUrl === 'string';
  check('wire', isWire, 'must be cosXml(...) or s3(...)');
  if (isWire) issues.push(...wire.check({ ...place(wire), path: 'any' }));
  const { secretKey, credentials: provider } = Object(credentials) as Record<string, unknown>;
  check('credentials', !!secretKey !== (typeof provider === 'function'), 'must be credentials or what brings them');
  const sec = lifetimeSec ?? MIN_LIFETIME_SEC;
  const isLife = Number.isInteger(sec) && sec >= MIN_LIFETIME_SEC && sec <= MAX_LIFETIME_SEC;
  check('lifetimeSec', isLife, `must be a whole number from ${MIN_LIFETIME_SEC} to ${MAX_LIFETIME_SEC}`);
  check('headers', headers === undefined || areTexts(headers), 'must be an object of texts');
  return issues;
}

function place({ place: known }: XmlWire) {
  return known ?? { endpoint: '', appId: '', bucket: '' };
}
