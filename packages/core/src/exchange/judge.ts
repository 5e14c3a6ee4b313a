import type { CosSliceError } from '../errors.ts';

export interface RetryPolicy {
  /** Attempts for one request. */
  readonly attempts: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
}

/** What was tried so far, the attempt that has just failed not counted. */
export interface Tries {
  /** Failed attempts. */
  readonly attempt: number;
  /** Of these, how many in a row up to the last one leave it open whether the request can ever succeed. */
  readonly opaque: number;
  /** Of these, how many leave it open whether this is the right server at all. */
  readonly doubts: number;
  /** Of these, how many came to no end on this machine: something hangs. */
  readonly hangs: number;
  /** Times in a row that a refused signature cost no attempt. */
  readonly resigns: number;
}

/** What is known of the server when an attempt fails. */
export interface Standing {
  /** It has answered in its protocol at least once. */
  readonly contacted: boolean;
  /** It has answered a request of this kind: with content, or without. */
  readonly carried: boolean;
  /** It has taken a signature of this signer for good. */
  readonly trusted: boolean;
  /** In [0, 1), for jitter. */
  readonly random: number;
}

export type Verdict =
  | { readonly do: 'again'; readonly afterMs: number }
  /** At once; no attempt is counted, but the server may have acted on this one. */
  | { readonly do: 'repeat' }
  /** At once, with a fresh signature; no attempt is counted. */
  | { readonly do: 'resign' }
  | { readonly do: 'give-up' };

/** Doubts before the server has ever answered: a wrong address should not take long to be called one. */
const ATTEMPTS_BEFORE_CONTACT = 3;
/** Attempts of a kind of request that was never answered, where nobody tells whether the page may make it at all. */
const ATTEMPTS_IN_THE_DARK = 5;
/** Attempts of what comes to no end: it hangs, and will hang again. */
const ATTEMPTS_THAT_HANG = 3;
const RESIGNS = 2;
/** A server cannot put anything to sleep for longer. */
const MAX_ASKED_MS = 3600 * 1000;

/** What to do after an attempt of any operation has failed. */
export function judge(tries: Tries, error: CosSliceError, policy: RetryPolicy, standing: Standing): Verdict {
  const { attempt, opaque, doubts, hangs, resigns } = tries;
  if (error.remedy === 'none') return { do: 'give-up' };
  if (error.remedy === 'resign' && resigns < RESIGNS) return { do: 'resign' };
  // Where signatures have been good before, they may just not live as long as a slice is under way: an attempt like others.
  if (error.remedy === 'resign' && !standing.trusted) return { do: 'give-up' };
  if (error.stale) return { do: 'repeat' };
  const { contacted, carried } = standing;
  if (attempt + 1 >= policy.attempts) return { do: 'give-up' };
  if (isHang(error) && hangs + 1 >= ATTEMPTS_THAT_HANG) return { do: 'give-up' };
  if (isDoubt(error) && !contacted && doubts + 1 >= ATTEMPTS_BEFORE_CONTACT) return { do: 'give-up' };
  // Those before, of a host that was away, say nothing of what the page may do now that it is back.
  if (error.opaque && !carried && opaque + 1 >= ATTEMPTS_IN_THE_DARK) return { do: 'give-up' };
  return { do: 'again', afterMs: backoffMs(policy, attempt + 1, standing.random, error.retryAfterMs) };
}

/** What was tried once an attempt that counts has failed. */
export function countTry({ attempt, opaque, doubts, hangs }: Tries, error: CosSliceError): Tries {
  return {
    attempt: attempt + 1,
    opaque: error.opaque ? opaque + 1 : 0,
    doubts: isDoubt(error) ? doubts + 1 : doubts,
    hangs: isHang(error) ? hangs + 1 : hangs,
    resigns: 0,
  };
}

/** Nothing answers, or something else does. 502 to 504 are a balancer's words for a server that is away for a while. */
function isDoubt({ code, unreachable, httpStatus = 0 }: CosSliceError): boolean | undefined {
  return unreachable || code === 'timeout' || (code === 'bad-reply' && (httpStatus < 502 || httpStatus > 504));
}

/** Work of this machine came to no end. */
function isHang({ code, phase }: CosSliceError): boolean | undefined {
  return phase && code !== 'timeout';
}

/** Exponential backoff with full jitter, but never less than the server asked for. `attempt` counts from 1. */
function backoffMs(policy: RetryPolicy, attempt: number, random: number, retryAfterMs = 0): number {
  const ceilingMs = Math.min(policy.maxDelayMs, policy.baseDelayMs * 2 ** Math.min(attempt - 1, 30));
  return Math.max(Math.min(retryAfterMs, MAX_ASKED_MS), Math.floor(random * ceilingMs));
}
