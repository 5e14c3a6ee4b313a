/** What a slice is here: its bytes, or where they lie. */
export type Content = Uint8Array | LargeContent;

/** A slice that is too large to be held in memory. It is read piece by piece whenever it is hashed or sent. */
export interface LargeContent {
  /** Bytes. */
  readonly length: number;
  /** Of the file, open until its source is closed: a hashing worker reads through it. */
  readonly fd: number;
  /** Where the slice begins in the file, in bytes. */
  readonly offset: number;
  /**
   * Fills the target with what lies at `start` of the slice.
   *
   * @throws CosSliceError `source-changed`, `source-unreadable`
   */
  read(target: Uint8Array, start: number): Promise<void>;
}

export function isLarge(content: Content): content is LargeContent {
  return 'fd' in content;
}

/** The content in pieces of at most that many bytes: views, or what has just been read, good until the next one is asked for. */
export async function* piecesOf(content: Content, pieceBytes: number): AsyncIterable<Uint8Array> {
  const room = isLarge(content) ? new Uint8Array(Math.min(pieceBytes, content.length)) : undefined;
  for (let start = 0; start < content.length; start += pieceBytes) {
    const end = Math.min(start + pieceBytes, content.length);
    if (!isLarge(content)) {
      yield content.subarray(start, end);
    } else if (room) {
      const piece = room.subarray(0, end - start);
      await content.read(piece, start);
      yield piece;
    }
  }
}
