import type { Exchange } from './exchange.ts';
import { lockKey } from './locker.ts';
import type { Settings } from './options.ts';
import { type ObjectInfo, type Session, StoreError } from './store/store.ts';

/** A session that has not rested for too long; one that has is dropped. */
export async function ifFresh(exchange: Exchange, session: Session | undefined): Promise<Session | undefined> {
  if (!session || !(await isStale(session, exchange.settings, exchange.nowMs))) return session;
  await session.discard();
  exchange.settings.tally.ended(session.target);
  return undefined;
}

export async function isStale(session: Session, { sessionTtlMs }: Settings, nowMs: number): Promise<boolean> {
  // As most are: there is no need to ask what has been stored since.
  if (session.createdAtMs + sessionTtlMs > nowMs) return false;
  const snapshot = await unlessGone(session.snapshot());
  return snapshot === undefined || snapshot.lastActiveMs + sessionTtlMs <= nowMs;
}

/** The unfinished upload with this id, provided that it is one of this path. */
export async function sessionOf(exchange: Exchange, id: string): Promise<Session | undefined> {
  const session = await exchange.settings.store.getSession(id);
  if (!session || lockKey(session.target) !== lockKey(exchange.target)) return undefined;
  return ifFresh(exchange, session);
}

/** The object at the path, for those who are told that it is theirs: it is there to stay. */
export async function objectToStay({
  settings: { store },
  target,
}: Pick<Exchange, 'settings' | 'target'>): Promise<ObjectInfo | undefined> {
  return store.confirmObject ? store.confirmObject(target) : store.statObject(target);
}

/** Whether the object at the path is what this session became: replies get lost, and clients ask again. */
export async function isFinished(exchange: Exchange, sessionId: string): Promise<boolean> {
  return (await objectToStay(exchange))?.session === sessionId;
}

/** Undefined when the session has ended meanwhile. */
export async function unlessGone<T>(pending: Promise<T>): Promise<T | undefined> {
  return pending.catch((error) => {
    if (error instanceof StoreError && error.problem === 'gone') return undefined;
    throw error;
  });
}
