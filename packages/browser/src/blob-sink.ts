import { CosSliceError, type Sink } from '@cos-slice/core';

/** So much is held as separate pieces before they are made one blob, which browsers may keep on disk. */
const FOLD_BYTES = 4 * 1024 * 1024;

/** Makes a download a `Blob`. */
export interface BlobSink extends Sink {
  /** Once it has finished. */
  blob(type: string): Blob;
}

export function createBlobSink(): BlobSink {
  let folded: Blob[] = [];
  let pieces: BlobPart[] = [];
  let bytes = 0;
  const fold = (): void => {
    if (pieces.length > 0) folded.push(new Blob(pieces));
    pieces = [];
    bytes = 0;
  };
  const discard = async (): Promise<void> => {
    folded = [];
    pieces = [];
  };
  return {
    ordered: true,
    open: async () => ({ kept: [] }),
    async write(_offset, piece) {
      pieces.push(piece as Uint8Array<ArrayBuffer>);
      bytes += piece.length;
      if (bytes >= FOLD_BYTES) fold();
    },
    discard,
    finish: async () => fold(),
    leave: discard,
    blob: (type) => new Blob(folded, { type }),
  };
}

/** Writes a download to a stream, in order: one of the File System Access API, for example. It is aborted when not all comes. */
export function createWritableSink(stream: WritableStream<Uint8Array>): Sink {
  const writer = stream.getWriter();
  const taken = async (act: Promise<void>): Promise<void> => {
    await act.catch((cause) => {
      throw new CosSliceError('target-unwritable', `the stream takes no more: ${String(cause)}`, { cause });
    });
  };
  return {
    ordered: true,
    open: async () => ({ kept: [] }),
    write: (_offset, bytes) => taken(writer.write(bytes)),
    discard: async () => {},
    finish: () => taken(writer.close()),
    leave: (reason) => writer.abort(reason),
  };
}
