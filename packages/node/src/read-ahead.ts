import type { ByteRange } from '@cos-slice/core';
import { createBufferPool } from './buffer-pool.ts';

/** Read at once while slices are asked for in order: a read costs the sending thread more than most of what else a slice does. */
const BLOCK_BYTES = 4 * 1024 * 1024;
/** Where more than this is held already, only what is asked for is read. */
const HELD_BYTES = 24 * 1024 * 1024;

export interface ReadAhead {
  /** @throws what `read` throws */
  slice(range: ByteRange): Promise<Uint8Array>;
  /** @param content as `slice` returned it; no longer used */
  release(content: Uint8Array): void;
}

interface Block {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly ready: Promise<void>;
  /** Slices of it that are held. */
  held: number;
  /** Nobody is expected to ask for more of it. */
  used: boolean;
}

/**
 * Serves slices from blocks of several of them.
 *
 * @param read fills the buffer from the offset on
 */
export function createReadAhead(
  sizeBytes: number,
  read: (target: Uint8Array, offset: number) => Promise<void>,
): ReadAhead {
  const buffers = createBufferPool();
  const blocks = new Set<Block>();
  const holders = new WeakMap<Uint8Array, Block>();
  let expectedOffset = 0;

  const letGo = (block: Block): void => {
    if (block.held > 0 || !block.used || !blocks.delete(block)) return;
    buffers.give(block.bytes);
  };
  /** Fills a block, larger than the range if more is likely to be asked for. */
  const begin = ({ offset, length }: ByteRange, inOrder: boolean): Block => {
    let heldBytes = 0;
    for (const { bytes } of blocks) heldBytes += bytes.length;
    const slices = Math.max(1, Math.floor(BLOCK_BYTES / Math.max(1, length)));
    const ahead = inOrder && heldBytes + slices * length <= HELD_BYTES;
    const bytes = buffers.take(Math.min(ahead ? slices * length : length, sizeBytes - offset));
    const block = { offset, bytes, ready: read(bytes, offset), held: 0, used: false };
    // Whoever holds a slice of it is told.
    block.ready.catch(() => {});
    blocks.add(block);
    return block;
  };
  const find = (start: number, end: number): Block | undefined => {
    for (const block of blocks) if (block.offset <= start && end <= block.offset + block.bytes.length) return block;
    return undefined;
  };
  const dropIdle = (): void => {
    for (const block of blocks) {
      if (block.held > 0) continue;
      block.used = true;
      letGo(block);
    }
  };

  return {
    async slice(range) {
      const end = range.offset + range.length;
      const inOrder = range.offset === expectedOffset;
      expectedOffset = end;
      let block = find(range.offset, end);
      if (!block) {
        dropIdle();
        block = begin(range, inOrder);
      }
      block.held += 1;
      if (end === block.offset + block.bytes.length && !block.used) {
        block.used = true;
        // The next ones are read while these are sent.
        if (inOrder && range.length < BLOCK_BYTES && end < sizeBytes)
          begin({ offset: end, length: range.length }, true);
      }
      try {
        await block.ready;
      } catch (error) {
        block.used = true;
        block.held -= 1;
        letGo(block);
        throw error;
      }
      const content = block.bytes.subarray(range.offset - block.offset, end - block.offset);
      holders.set(content, block);
      return content;
    },
    release(content) {
      const block = holders.get(content);
      if (!block || !holders.delete(content)) return;
      block.held -= 1;
      letGo(block);
    },
  };
}
