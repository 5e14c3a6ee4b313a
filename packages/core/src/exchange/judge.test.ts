import { expect, test } from 'vitest';
import { CosSliceError, type ErrorCode, type ErrorDetails } from '../errors.ts';
import { countTry, judge, type Standing, type Tries, type Verdict } from './judge.ts';

const POLICY = { attempts: 10, baseDelayMs: 1000, maxDelayMs: 30_000 };
const PROVEN: Standing = { contacted: true, carried: true, trusted: true, random: 0.5 };
const NEW: Standing = { contacted: false, carried: false, trusted: false, random: 0.5 };

const error = (code: ErrorCode, details: ErrorDetails): CosSliceError => new CosSliceError(code, 'x', details);
const PASSING = error('unavailable', { remedy: 'backoff' });

/** Attempts until it is given up. */
function attemptsFor(failure: CosSliceError, standing: Standing): number {
  for (
    let tries: Tries = { attempt: 0, opaque: 0, doubts: 0, hangs: 0, resigns: 2 };
    ;
    tries = { ...countTry(tries, failure), resigns: 2 }
  ) {
    if (judge(tries, failure, POLICY, standing).do === 'give-up') return tries.attempt + 1;
  }
}

test.each<[string, CosSliceError, Standing, number]>([
  ['what is final', error('exists', { remedy: 'none' }), PROVEN, 1],
  ['what may pass', PASSING, PROVEN, 10],
  ['what may pass, of a server that has never answered', PASSING, NEW, 10],
  ['an address where nothing is', error('network', { remedy: 'backoff', unreachable: true }), NEW, 3],
  ['an address that was good', error('network', { remedy: 'backoff', unreachable: true }), PROVEN, 10],
  ['something else at the address', error('bad-reply', { remedy: 'backoff', httpStatus: 200 }), NEW, 3],
  ['nothing that answers in time', error('timeout', { remedy: 'backoff' }), NEW, 3],
  ['something that fails at the address', error('bad-reply', { remedy: 'backoff', httpStatus: 501 }), NEW, 3],
  ['a balancer that hears nonsense', error('bad-reply', { remedy: 'backoff', httpStatus: 502 }), NEW, 10],
  ['a balancer whose servers are away', error('bad-reply', { remedy: 'backoff', httpStatus: 503 }), NEW, 10],
  ['a balancer that hears nothing', error('bad-reply', { remedy: 'backoff', httpStatus: 504 }), NEW, 10],
  ['something that speaks another HTTP', error('bad-reply', { remedy: 'backoff', httpStatus: 505 }), NEW, 3],
  ['a connection that broke', error('network', { remedy: 'backoff' }), NEW, 10],
  ['what a page may not be allowed', error('network', { remedy: 'backoff', opaque: true }), NEW, 5],
  [
    'bodies of a page that never got an answer, where other requests did',
    error('network', { remedy: 'backoff', opaque: true }),
    { ...PROVEN, carried: false },
    5,
  ],
  ['a page that was cut off', error('network', { remedy: 'backoff', opaque: true }), PROVEN, 10],
  [
    'work of this machine that comes to no end',
    error('source-unreadable', { remedy: 'backoff', phase: 'no-progress' }),
    PROVEN,
    3,
  ],
  ['a line that comes to no end', error('timeout', { remedy: 'backoff', phase: 'no-progress' }), PROVEN, 10],
  ['a signature that is never taken', error('signature-expired', { remedy: 'resign' }), NEW, 1],
  ['signatures that do not outlive a slice', error('signature-expired', { remedy: 'resign' }), PROVEN, 10],
])('tries: %s', (_what, failure, standing, attempts) => {
  expect(attemptsFor(failure, standing)).toBe(attempts);
});

test('what a page may not be allowed is counted from when its host is there', () => {
  const away = error('network', { remedy: 'backoff' });
  const refused = error('network', { remedy: 'backoff', opaque: true });
  let tries: Tries = { attempt: 0, opaque: 0, doubts: 0, hangs: 0, resigns: 0 };
  const verdicts = [...Array(3).fill(away), ...Array(3).fill(refused), away, ...Array(5).fill(refused)].map(
    (failure) => {
      const verdict = judge(tries, failure, { ...POLICY, attempts: 100 }, NEW).do;
      tries = countTry(tries, failure);
      return verdict;
    },
  );
  expect(verdicts).toEqual([...Array(11).fill('again'), 'give-up']);
});

test('connections that broke say nothing of what answers at an address', () => {
  const broken = error('network', { remedy: 'backoff' });
  const strange = error('bad-reply', { remedy: 'backoff', httpStatus: 200 });
  let tries: Tries = { attempt: 0, opaque: 0, doubts: 0, hangs: 0, resigns: 0 };
  const verdicts = [broken, broken, broken, strange, broken, strange, strange].map((failure) => {
    const verdict = judge(tries, failure, POLICY, NEW).do;
    tries = countTry(tries, failure);
    return verdict;
  });
  expect(verdicts).toEqual([...Array(6).fill('again'), 'give-up']);
});

test('a refused signature is renewed twice in a row before anything is counted', () => {
  const expired = error('signature-expired', { remedy: 'resign' });
  const verdicts = [0, 1, 2].map(
    (resigns) => judge({ attempt: 0, opaque: 0, doubts: 0, hangs: 0, resigns }, expired, POLICY, PROVEN).do,
  );
  expect(verdicts).toEqual(['resign', 'resign', 'again']);
});

test('a kept connection that was closed is no attempt', () => {
  const stale = error('network', { remedy: 'backoff', stale: true });
  expect(judge({ attempt: 9, opaque: 0, doubts: 0, hangs: 0, resigns: 0 }, stale, POLICY, NEW)).toEqual({
    do: 'repeat',
  });
});

test('pauses double up to the longest, spread by chance, and are never shorter than the server asked for', () => {
  const pause = (attempt: number, failure = PASSING, random = 0.5): Verdict =>
    judge(
      { attempt, opaque: 0, doubts: 0, hangs: 0, resigns: 0 },
      failure,
      { ...POLICY, attempts: 1000 },
      { ...PROVEN, random },
    );
  expect([0, 1, 2, 8, 900].map((attempt) => pause(attempt))).toEqual(
    [500, 1000, 2000, 15_000, 15_000].map((afterMs) => ({ do: 'again', afterMs })),
  );
  expect([0, 0.999].map((random) => pause(0, PASSING, random))).toMatchObject([{ afterMs: 0 }, { afterMs: 999 }]);
  const asked = (retryAfterMs: number): CosSliceError => error('unavailable', { remedy: 'backoff', retryAfterMs });
  expect([7000, 86_400_000].map((ms) => pause(0, asked(ms)))).toMatchObject([
    { afterMs: 7000 },
    { afterMs: 3_600_000 },
  ]);
});
