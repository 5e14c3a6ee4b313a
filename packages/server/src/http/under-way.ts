import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** The requests that are being answered, so that a server that stops can let them come to their end. */
export interface UnderWay {
  add(res: ServerResponse): void;
  /** Resolves when all are answered; after `graceMs` cuts those that are not. Connections are not kept for more. */
  end(graceMs: number): Promise<void>;
}

export function createUnderWay(): UnderWay {
  const open = new Set<ServerResponse>();
  let isEnding = false;
  let onEmpty = (): void => {};
  return {
    add(res) {
      if (res.closed) return;
      open.add(res);
      // Then the client knows not to ask again on this connection.
      if (isEnding) res.shouldKeepAlive = false;
      // Comes after the last byte went out, or with the end of the connection.
      res.on('close', () => {
        open.delete(res);
        if (open.size === 0) onEmpty();
      });
    },
    async end(graceMs) {
      isEnding = true;
      for (const res of open) res.shouldKeepAlive = false;
      if (open.size === 0) return;
      const ended = new AbortController();
      const empty = new Promise<void>((resolve) => {
        onEmpty = resolve;
      });
      await Promise.race([empty, sleep(graceMs, undefined, { signal: ended.signal })]);
      ended.abort();
      for (const res of open) res.destroy();
    },
  };
}
