import { timingSafeEqual } from 'node:crypto';
import type { Checkpoints } from '../store/store.ts';
import { createSha1State, STATE_BYTES } from './sha1-state.ts';

/** The file that a slice belongs to. */
export interface CheckedFile {
  readonly sizeBytes: number;
  /** Hex SHA-1 of the whole file. */
  readonly sha: string;
  readonly checkpoints: Checkpoints;
}

/** Follows one slice's bytes through the file's SHA-1 and compares at every checkpoint on the way. */
export interface ChainCheck {
  /** Whether the checkpoints cover every byte of the slice. */
  readonly coversSlice: boolean;
  update(bytes: Uint8Array): void;
  /** False once a checkpoint did not match. */
  readonly matches: boolean;
  release(): void;
}

/**
 * Checks the bytes `startBytes` to `endBytes` of a file as far as its checkpoints allow: from the first checkpoint
 * within the slice to the last, in whatever steps they come. Undefined when the slice holds no whole step.
 */
export async function createChainCheck(
  file: CheckedFile,
  startBytes: number,
  endBytes: number,
): Promise<ChainCheck | undefined> {
  const { stepBytes, states } = file.checkpoints;
  const fromBytes = Math.ceil(startBytes / stepBytes) * stepBytes;
  const toBytes = endBytes === file.sizeBytes ? endBytes : Math.floor(endBytes / stepBytes) * stepBytes;
  if (fromBytes >= toBytes) return undefined;

  const stateAt = (bytes: number) => {
    const at = (bytes / stepBytes - 1) * STATE_BYTES;
    return states.subarray(at, at + STATE_BYTES);
  };
  const sha1 = await createSha1State();
  sha1.start(fromBytes === 0 ? undefined : stateAt(fromBytes));
  let position = startBytes;
  let matches = true;

  return {
    coversSlice: fromBytes === startBytes && toBytes === endBytes,
    get matches() {
      return matches;
    },
    update(bytes) {
      let rest = bytes;
      if (position < fromBytes) {
        const skipped = Math.min(rest.length, fromBytes - position);
        position += skipped;
        rest = rest.subarray(skipped);
      }
      while (rest.length > 0 && position < toBytes && matches) {
        const next = Math.min(toBytes, (Math.floor(position / stepBytes) + 1) * stepBytes);
        const step = rest.subarray(0, next - position);
        sha1.update(step);
        position += step.length;
        rest = rest.subarray(step.length);
        if (position < next) return;
        matches =
          position === file.sizeBytes
            ? timingSafeEqual(sha1.digest(file.sizeBytes), Buffer.from(file.sha, 'hex'))
            : timingSafeEqual(sha1.state(), stateAt(position));
      }
    },
    release: () => sha1.release(),
  };
}
