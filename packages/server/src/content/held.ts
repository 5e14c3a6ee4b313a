import { ProtocolError } from '../protocol/codes.ts';

/**
 * Bytes that this process has received and not yet handed on, over all requests. Each request may hold some, since short waits
 * are cheaper than stopping the stream, and large writes than small ones; as long as there are not too many of them.
 */
export interface Held {
  readonly bytes: number;
  /** From now on nobody waits for more: what has come is handed on, and nothing is received meanwhile. */
  readonly isFull: boolean;
  add(bytes: number): void;
  drop(bytes: number): void;
}

/** A hundred requests or so at their fullest. Beyond, each holds what came in one piece, which is 64 KiB at most. */
export const MAX_HELD_BYTES: number = 128 * 1024 * 1024;

export function createHeld(maxBytes: number): Held {
  let heldBytes = 0;
  return {
    get bytes() {
      return heldBytes;
    },
    get isFull() {
      return heldBytes >= maxBytes;
    },
    add(bytes) {
      heldBytes += bytes;
    },
    drop(bytes) {
      heldBytes -= bytes;
    },
  };
}

/** Of this process: its servers share its memory. */
export const held: Held = createHeld(MAX_HELD_BYTES);

/** What one request keeps until it is answered: its fields, and `uploadparts`. Nobody can hand these on. */
export interface Kept {
  /** @throws ProtocolError -5997 for a request that keeps much, while all of them together keep too much */
  add(bytes: number): void;
  /** The request has been answered. */
  release(): void;
}

/** So much every request may keep, whatever others do: all that it needs but for the `uploadparts` of a large file. */
const FREE_BYTES = 64 * 1024;

export const keptByAll: Held = createHeld(MAX_HELD_BYTES);

export function createKept(all: Held = keptByAll): Kept {
  let keptBytes = 0;
  return {
    add(bytes) {
      keptBytes += bytes;
      all.add(bytes);
      if (keptBytes > FREE_BYTES && all.isFull) throw new ProtocolError('busy', 'too many long forms at a time');
    },
    release() {
      all.drop(keptBytes);
      keptBytes = 0;
    },
  };
}
