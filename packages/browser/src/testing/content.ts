const BLOCK_BYTES = 1024 * 1024;

/** Content that a page and a test make alike, no two blocks of which are the same. */
export function contentBlocks(sizeBytes: number): Uint8Array<ArrayBuffer>[] {
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = 0; offset < sizeBytes; offset += BLOCK_BYTES) {
    const words = new Uint32Array(BLOCK_BYTES / 4);
    let state = (offset / BLOCK_BYTES + 1) * 2654435761;
    for (let index = 0; index < words.length; index += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      words[index] = state;
    }
    blocks.push(new Uint8Array(words.buffer, 0, Math.min(BLOCK_BYTES, sizeBytes - offset)));
  }
  return blocks;
}
