import { lockKey } from './locker.ts';
import type { Settings } from './options.ts';
import { isStale } from './sessions.ts';
import type { Session } from './store/store.ts';

const SWEEP_EVERY_MS = 10 * 60_000;

/** Drops stale sessions and what failures have left: soon after the start and then every few minutes, one at a time. */
export function startSweeper(settings: Settings): { stop(): Promise<void> } {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();

  async function sweep(): Promise<void> {
    const count = settings.tally.recount();
    for await (const session of settings.store.sessions()) {
      if (stopped) return;
      count.saw(session);
      // One that cannot be dropped is tried again the next time, and must not keep the others.
      await dropIfStale(session).catch(() => {});
    }
    count.finish();
    await settings.store.tidy?.();
  }
  function dropIfStale(session: Session): Promise<void> {
    return settings.locker.withLock(lockKey(session.target), async () => {
      if (!(await isStale(session, settings, settings.nowMs()))) return;
      await session.discard();
      settings.tally.ended(session.target);
    });
  }
  function start(): void {
    // A failing disk shows in requests.
    running = running.then(sweep).catch(() => {});
  }

  start();
  const timer = setInterval(start, SWEEP_EVERY_MS);
  timer.unref();
  return {
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
