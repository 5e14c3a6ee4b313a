// Not from the index: what is loaded late imports this, and must not take the whole core into a chunk of its own.
import { CosSliceError } from '@cos-slice/core/errors';
import { within } from './within.ts';

const PATIENCE_MS = 8000;

/**
 * Reads a small blob into memory. Browsers now and then leave a read without an answer: then it is read another way.
 *
 * @throws CosSliceError `source-changed`, `source-unreadable`
 */
export async function readBlob(blob: Blob, patienceMs: number = PATIENCE_MS): Promise<ArrayBuffer> {
  try {
    const bytes = (await within(patienceMs, blob.arrayBuffer())) ?? (await within(patienceMs, readByEvents(blob)));
    if (bytes) return bytes;
  } catch (cause) {
    throw unreadable(cause);
  }
  throw new CosSliceError('source-unreadable', 'the browser does not get on with reading the file: pick it again');
}

function readByEvents(blob: Blob): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.onerror = () => reject(reader.error);
    reader.readAsArrayBuffer(blob);
  });
}

/** Browsers refuse to read a file that has changed since it was picked. */
export function unreadable(cause: unknown): CosSliceError {
  const changed = (cause as Error).name === 'NotReadableError';
  const what = `the file ${changed ? 'has changed or may not' : 'cannot'} be read: pick it again`;
  return new CosSliceError(changed ? 'source-changed' : 'source-unreadable', what, { cause });
}
