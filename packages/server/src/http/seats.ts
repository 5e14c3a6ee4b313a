import { ProtocolError } from '../protocol/codes.ts';

/** Longer than that no client should wait for its body to be read. */
const PATIENCE_MS = 10_000;
/** As many as are answered may wait, this many times over. */
const WAITING_PER_SEAT = 4;

/** Seats for requests that are answered. A request waits for one with its body unread, so it costs next to nothing. */
export interface Seats {
  /**
   * @param client whose request it is. Among those who wait, whoever has the fewest seats is next; nobody has more than half
   * @param gone aborted when the client has gone away: then it waits no longer
   * @returns what gives the seat back, at once where there is one
   * @throws ProtocolError -5997 when too many wait, or it has waited for too long
   */
  take(client: string, gone: AbortSignal): Release | Promise<Release>;
}

export type Release = () => void;

interface Waiter {
  enter(): void;
  refuse(): void;
}

export function createSeats(count: number, patienceMs: number = PATIENCE_MS): Seats {
  const most = Math.max(1, Math.ceil(count / 2));
  const held = new Map<string, number>();
  /** By client, in the order in which they came. */
  const waiting = new Map<string, Set<Waiter>>();
  let taken = 0;
  let waitingCount = 0;

  const heldBy = (client: string): number => held.get(client) ?? 0;
  const isRoomFor = (client: string): boolean => taken < count && heldBy(client) < most;

  function sit(client: string): Release {
    taken += 1;
    held.set(client, heldBy(client) + 1);
    let isSeated = true;
    return () => {
      if (!isSeated) return;
      isSeated = false;
      taken -= 1;
      const left = heldBy(client) - 1;
      if (left > 0) held.set(client, left);
      else held.delete(client);
      next();
    };
  }

  function next(): void {
    let first: string | undefined;
    for (const client of waiting.keys()) {
      if (isRoomFor(client) && (first === undefined || heldBy(client) < heldBy(first))) first = client;
    }
    const [waiter] = (first !== undefined && waiting.get(first)) || [];
    waiter?.enter();
  }

  /** Whoever has the most requests waiting gives way, be it the one who has just come. */
  function makeRoomFor(client: string): boolean {
    let greediest = client;
    const countOf = (one: string): number => waiting.get(one)?.size ?? 0;
    for (const other of waiting.keys()) if (countOf(other) > countOf(greediest)) greediest = other;
    if (greediest === client) return false;
    [...(waiting.get(greediest) ?? [])].at(-1)?.refuse();
    return true;
  }

  const tooMany = (): ProtocolError => {
    const detail = 'too many requests at a time: try again later';
    return new ProtocolError('busy', detail, { retryAfterSec: 1 + Math.ceil(waitingCount / count) });
  };

  function wait(client: string, gone: AbortSignal): Promise<Release> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', refuse);
        const all = waiting.get(client);
        if (all?.delete(waiter)) waitingCount -= 1;
        if (all?.size === 0) waiting.delete(client);
      };
      const refuse = (): void => {
        leave();
        reject(tooMany());
      };
      const waiter: Waiter = {
        enter() {
          leave();
          resolve(sit(client));
        },
        refuse,
      };
      const timer = setTimeout(refuse, patienceMs);
      gone.addEventListener('abort', refuse);
      const all = waiting.get(client) ?? new Set();
      waiting.set(client, all.add(waiter));
      waitingCount += 1;
    });
  }

  return {
    take(client, gone) {
      if (isRoomFor(client) && !waiting.has(client)) return sit(client);
      if (waitingCount >= count * WAITING_PER_SEAT && !makeRoomFor(client)) throw tooMany();
      return wait(client, gone);
    },
  };
}
