import type { Exchange } from './exchange.ts';
import type { Settings } from './options.ts';
import type { Session } from './store/store.ts';

/** A session that has not rested for too long; one that has is dropped. */
export async function ifFresh(exchange: Exchange, session: Session | undefined): Promise<Session | undefined> {
  if (!session || !isStale(session, exchange.settings, exchange.nowMs)) return session;
  await session.discard();
  return undefined;
}

export function isStale(session: Session, { sessionTtlMs }: Settings, nowMs: number): boolean {
  return session.lastActiveMs + sessionTtlMs <= nowMs;
}

/** The unfinished upload with this id, provided that it is one of this path. */
export async function sessionOf(exchange: Exchange, id: string): Promise<Session | undefined> {
  const session = await ifFresh(exchange, await exchange.settings.store.getSession(id));
  const { appId, bucket, path } = exchange.target;
  const target = session?.target;
  return target?.appId === appId && target.bucket === bucket && target.path === path ? session : undefined;
}

/** Whether the object at the path is what this session became: replies get lost, and clients ask again. */
export async function isFinished(exchange: Exchange, sessionId: string): Promise<boolean> {
  return (await exchange.settings.store.statObject(exchange.target))?.session === sessionId;
}
