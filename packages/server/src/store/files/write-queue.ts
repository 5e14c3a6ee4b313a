import type { FileHandle } from 'node:fs/promises';

/**
 * Positional writes to one file, one at a time; they must not overlap. The system locks a file while it is written to:
 * threads of the pool that wait for each other there spin, and burn the processor that would bring the next bytes.
 */
export interface WriteQueue {
  /** Resolves when all of it is in the file. Writes that wait and follow on from each other become one. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
}

export function createWriteQueue(file: FileHandle): WriteQueue {
  let tail: Promise<void> = Promise.resolve();
  /** By the position after their last byte. */
  const waiting = new Map<number, { chunks: Uint8Array[]; endPosition: number; done: Promise<void> }>();

  return {
    write(chunks, position) {
      const endPosition = chunks.reduce((end, chunk) => end + chunk.length, position);
      const before = waiting.get(position);
      if (before) {
        for (const chunk of chunks) before.chunks.push(chunk);
        before.endPosition = endPosition;
        waiting.delete(position);
        waiting.set(endPosition, before);
        return before.done;
      }
      const piece = { chunks: [...chunks], endPosition, done: tail };
      piece.done = tail.then(() => {
        waiting.delete(piece.endPosition);
        return writeFully(file, piece.chunks, position);
      });
      waiting.set(endPosition, piece);
      tail = piece.done.catch(() => {});
      return piece.done;
    },
  };
}

/** writev may write less than asked for. */
async function writeFully(file: FileHandle, chunks: readonly Uint8Array[], at: number): Promise<void> {
  let rest = chunks;
  let position = at;
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest, position);
    position += bytesWritten;
    const kept = rest.findIndex((chunk) => {
      if (bytesWritten < chunk.length) return true;
      bytesWritten -= chunk.length;
      return false;
    });
    rest = kept < 0 ? [] : [(rest[kept] as Uint8Array).subarray(bytesWritten), ...rest.slice(kept + 1)];
  }
}
