import { lockKey } from './locker.ts';
import { ProtocolError } from './protocol/codes.ts';
import type { Session, Target } from './store/store.ts';

/** When a bucket that is full is worth another try: others finish, or are given up. */
const RETRY_AFTER_SEC = 30;

/** Of unfinished uploads of one bucket. */
export interface TallyLimits {
  readonly maxSessions: number;
  /** What their files will have when they are whole, together. */
  readonly maxSessionBytes: number;
}

/**
 * How many uploads are unfinished in each bucket, as far as is known: those that this process has begun, and those that it found
 * when it last looked at all there are, which it does every few minutes.
 */
export interface Tally {
  /** @throws ProtocolError -5997 when the bucket has no room for one more */
  checkRoom(target: Target, sizeBytes: number): void;
  began(session: Session): void;
  ended(target: Target): void;
  /** Somebody looks at all there are. What begins and ends meanwhile counts, too. */
  recount(): { saw(session: Session): void; finish(): void };
}

type Sizes = Map<string, number>;

export function createTally({ maxSessions, maxSessionBytes }: TallyLimits): Tally {
  /** By bucket, then by target: each has one session at most. */
  let buckets = new Map<string, Sizes>();
  /** What has changed since a recount began. */
  let changes: (() => void)[] | undefined;

  const set = (target: Target, sizeBytes: number | undefined): void => {
    const bucket = `${target.appId}/${target.bucket}`;
    const sizes = buckets.get(bucket) ?? new Map();
    if (sizeBytes === undefined) sizes.delete(lockKey(target));
    else sizes.set(lockKey(target), sizeBytes);
    if (sizes.size > 0) buckets.set(bucket, sizes);
    else buckets.delete(bucket);
  };
  const change = (target: Target, sizeBytes: number | undefined): void => {
    set(target, sizeBytes);
    changes?.push(() => set(target, sizeBytes));
  };

  return {
    checkRoom(target, sizeBytes) {
      const sizes: Sizes = buckets.get(`${target.appId}/${target.bucket}`) ?? new Map();
      const tooMany = (what: string): ProtocolError =>
        new ProtocolError('busy', `${what}: finish or delete some, or try again later`, {
          retryAfterSec: RETRY_AFTER_SEC,
        });
      if (sizes.size >= maxSessions) throw tooMany(`the bucket has ${sizes.size} unfinished uploads`);
      if (maxSessionBytes === Number.POSITIVE_INFINITY) return;
      const bytes = [...sizes.values()].reduce((all, one) => all + one, sizeBytes);
      if (bytes > maxSessionBytes) {
        throw tooMany(
          `with this one the unfinished uploads of the bucket come to ${bytes} of ${maxSessionBytes} bytes`,
        );
      }
    },
    began: ({ target, sizeBytes }) => change(target, sizeBytes),
    ended: (target) => change(target, undefined),
    recount() {
      const seen: [Target, number][] = [];
      const since: (() => void)[] = [];
      changes = since;
      return {
        saw: ({ target, sizeBytes }) => void seen.push([target, sizeBytes]),
        finish() {
          buckets = new Map();
          for (const [target, sizeBytes] of seen) set(target, sizeBytes);
          for (const again of since) again();
          changes = undefined;
        },
      };
    },
  };
}
