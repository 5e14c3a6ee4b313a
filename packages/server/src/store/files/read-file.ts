import type { FileHandle } from 'node:fs/promises';

const CHUNK_BYTES = 512 * 1024;

/** Reads a range in fresh buffers, one chunk ahead of the reader. Ends early where the file does. */
export async function* readRange(file: FileHandle, startBytes: number, endBytes: number): AsyncGenerator<Uint8Array> {
  const readAt = async (position: number): Promise<Uint8Array> => {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, endBytes - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    return buffer.subarray(0, bytesRead);
  };

  let position = startBytes;
  let ahead = position < endBytes ? readAt(position) : undefined;
  try {
    while (ahead) {
      const chunk: Uint8Array = await ahead;
      position += chunk.length;
      ahead = chunk.length > 0 && position < endBytes ? readAt(position) : undefined;
      if (chunk.length > 0) yield chunk;
    }
  } finally {
    // The file must not be closed under a read that nobody waits for.
    await ahead?.catch(() => {});
  }
}
