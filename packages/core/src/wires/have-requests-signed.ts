import { CosSliceError } from '../errors.ts';
import type { Authorizer, RequestSigner, RequestToSign, SignClaim, WireRequest } from '../ports.ts';
import { readQuery } from '../protocol/percent.ts';
import { quote } from '../protocol/responses.ts';
import type { AuthorizerOptions } from '../protocol/wire.ts';
import { createKeeper, type Keeper } from '../signing/keeper.ts';
import { type Asker, createAsker } from './asker.ts';
import type { Covered, RequestSigning } from './request-signing.ts';

/** An answer that has been looked at. */
interface Permit {
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  /** All others. */
  readonly headers: Readonly<Record<string, string>>;
  readonly lifeMs: number;
  /** Which question has brought it: later ones have higher numbers. */
  readonly question: number;
}

/** What uploads with the same signer have in common: those that begin together ask together. */
interface Shared {
  readonly keeper: Keeper<Permit>;
  readonly asker: Asker;
}

const shared = new WeakMap<RequestSigner, Shared>();

/** Parts for which signatures are asked at once: few questions, and a body that small servers still take. */
const AHEAD = 32;
/** More than can be under way. */
const MAX_REMEMBERED = 1000;
/** Pages do not get to see why some servers refuse a signature: what has failed so often with one is tried with another. */
const MAX_TRIES = 2;
/** Is repeated for good reasons. */
const READING = /^(GET|HEAD) /;

/**
 * Lets requests through with what somebody else has signed, who is asked for what a signature has to cover and nothing more:
 * where it leaves the number of a part out, one serves all parts. For parts that each need one, those that follow are asked for
 * with it. Whatever has been signed is kept until shortly before it expires.
 */
export function haveRequestsSigned(
  signer: RequestSigner,
  options: AuthorizerOptions,
  { wire, cover }: Pick<RequestSigning, 'wire' | 'cover'>,
): Authorizer {
  const { keeper, asker } = sharedBy(signer, options);
  let asked = 0;
  /** What has been used, and the question that brought it. */
  const used = new Map<string, number>();
  /** Requests that change something, and how often each was made with the same signature. */
  const tried = new Map<string, { readonly question: number; readonly times: number }>();
  /** What came of this question and of those before it may have ended like what a server has refused. */
  let refusedUpTo = 0;

  const get = (wanted: RequestToSign, next: Iterable<RequestToSign>, signal: AbortSignal): Promise<Permit> =>
    keeper.get(
      keyOf(wanted),
      {
        ask(asking) {
          asked += 1;
          const answer = asker.ask(wanted, asking);
          // Each with a signal of its own: many listeners on one look like a leak.
          const ahead = [...next].map((one) => [one, new AbortController()] as const);
          // Whoever needs one of them will ask again if it does not come.
          for (const [one, controller] of ahead) get(one, [], controller.signal).catch(() => {});
          const leave = (): void => {
            for (const [, controller] of ahead) controller.abort(signal.reason);
          };
          signal.addEventListener('abort', leave, { once: true });
          return answer.then(([given, question]) => readPermit(given, question, wanted) as Permit);
        },
        lifeMs: ({ lifeMs }) => lifeMs,
        isRefused: ({ question }) => question <= refusedUpTo,
      },
      signal,
    );

  const permitFor = <C>(request: WireRequest<C>, covered: Covered, claim: SignClaim, signal: AbortSignal) => {
    refusedUpTo = Math.max(refusedUpTo, used.get(claim.refused ?? '') ?? 0);
    const wanted = toRequest(request.method, covered, wire);
    return get(wanted, partsAfter(wanted, request), signal);
  };

  return {
    get asked() {
      return asked;
    },
    async authorize(request, claim, signal) {
      const covered = cover(request);
      const name = `${request.method} ${request.url}`;
      const last = tried.get(name);
      if (last && last.times >= MAX_TRIES) refusedUpTo = Math.max(refusedUpTo, last.question);
      const permit = await permitFor(request, covered, claim, signal);
      const { question } = permit;
      if (!READING.test(name)) put(tried, name, { question, times: last?.question === question ? last.times + 1 : 1 });
      const url = permit.url === undefined ? request.url : withRest(permit.url, covered.rest);
      put(used, permit.authorization ?? url, question);
      return {
        ...request,
        url,
        headers: { ...request.headers, ...permit.headers },
        ...(permit.authorization !== undefined && { authorization: { value: permit.authorization } }),
      };
    },
    async presign(request, claim, signal) {
      const { url } = await permitFor(request, cover(request), claim, signal);
      if (url !== undefined) return url;
      throw new CosSliceError('signing-failed', 'the signer must answer with a url: a header cannot be handed on');
    },
  };
}

/** Keeps no more than can be of use. */
function put<V>(map: Map<string, V>, name: string, value: V): void {
  for (const oldest of map.keys()) if (map.size >= MAX_REMEMBERED) map.delete(oldest);
  map.set(name, value);
}

function sharedBy(signer: RequestSigner, options: AuthorizerOptions): Shared {
  const known = shared.get(signer);
  if (known) return known;
  const keeper = createKeeper<Permit>({
    ...options,
    name: 'the signer',
    must: 'answer each request with expiresInSec and a url, headers or both',
    isUsable: (value): value is Permit => value !== undefined,
  });
  const made = { keeper, asker: createAsker(signer, { clock: options.clock, most: AHEAD }) };
  shared.set(signer, made);
  return made;
}

/** @throws CosSliceError `signing-failed` for what lies elsewhere */
function toRequest(
  method: string,
  { url, headers }: Covered,
  { bucketName: bucket, bucketUrl }: RequestSigning['wire'],
): RequestToSign {
  const [, path = '', query = ''] = /^([^?]*)\??(.*)$/s.exec(url.slice(bucketUrl.length)) ?? [];
  if (!url.startsWith(bucketUrl)) {
    throw new CosSliceError('signing-failed', 'requests about another bucket are not signed: give credentials');
  }
  return { method, bucket, key: decodeURIComponent(path), query: Object.fromEntries(readQuery(query)), headers };
}

function keyOf({ method, bucket, key, query, headers }: RequestToSign): string {
  return JSON.stringify([method, bucket, key, query, headers]);
}

/** What will be asked for next, as far as it can be told: where the MD5 is covered, it cannot. */
function* partsAfter<C>(wanted: RequestToSign, { content }: WireRequest<C>): Generator<RequestToSign> {
  const { query, headers } = wanted;
  const number = Number(query.partNumber);
  if (!content || !number || headers['content-md5'] !== undefined) return;
  let left = content.bytesAfter ?? 0;
  for (let ahead = 1; ahead < AHEAD && left > 0; ahead += 1) {
    const sizeBytes = Math.min(content.sizeBytes, left);
    left -= sizeBytes;
    yield {
      ...wanted,
      query: { ...query, partNumber: String(number + ahead) },
      headers: { ...headers, 'content-length': String(sizeBytes) },
    };
  }
}

function withRest(url: string, rest: string | undefined): string {
  return rest === undefined ? url : `${url}${url.includes('?') ? '&' : '?'}${rest}`;
}

const URL = /^https?:\/\/[^\s#]+$/i;
const HEADER = /^[\w!#$%&'*+.^`|~-]+$/;
/** What goes into a header must not be able to end it. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** @returns undefined for what is no answer, which a keeper does not take. @throws CosSliceError `signing-failed` for a refusal */
function readPermit(given: unknown, question: number, { method, key }: RequestToSign): Permit | undefined {
  const { url, headers = {}, expiresInSec, refused } = Object(given) as Record<string, unknown>;
  if (typeof refused === 'string') {
    const what = `the signer refuses ${method} of ${JSON.stringify(quote(key))}: ${quote(refused)}`;
    throw new CosSliceError('signing-failed', what);
  }
  const pairs = Object.entries(Object(headers));
  const isRight =
    typeof expiresInSec === 'number' &&
    expiresInSec >= 0 &&
    (url === undefined ? pairs.length > 0 : typeof url === 'string' && URL.test(url)) &&
    pairs.every(([name, value]) => HEADER.test(name) && typeof value === 'string' && VALUE.test(value));
  if (!isRight) return undefined;
  const isAuthorization = ([name]: [string, unknown]): boolean => name.toLowerCase() === 'authorization';
  return {
    url: url as string | undefined,
    authorization: pairs.find(isAuthorization)?.[1] as string | undefined,
    headers: Object.fromEntries(pairs.filter((pair) => !isAuthorization(pair))) as Record<string, string>,
    lifeMs: (expiresInSec as number) * 1000,
    question,
  };
}
