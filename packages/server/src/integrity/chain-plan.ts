import type { Checkpoints, SessionFacts } from '../store/store.ts';
import { paddingOf, STATE_BYTES, stateOfDigest } from './sha1-state.ts';

/** The file that a slice belongs to. */
export interface CheckedFile {
  readonly sizeBytes: number;
  /** Hex SHA-1 of the whole file. */
  readonly sha: string;
  readonly checkpoints: Checkpoints;
}

/** How to follow one slice's bytes through the file's SHA-1. Positions count from the slice's first byte. */
export interface ChainPlan {
  /** Whether the checkpoints cover every byte of the slice. */
  readonly coversSlice: boolean;
  /** Where hashing begins. */
  readonly fromBytes: number;
  /** The chaining state there (protocol section 3); none at the beginning of a file. */
  readonly state: Uint8Array | undefined;
  /** What the state must be on the way; at the file's end after its padding. */
  readonly marks: readonly ChainMark[];
}

export interface ChainMark {
  readonly atBytes: number;
  readonly padding: Uint8Array | undefined;
  readonly state: Uint8Array;
}

/**
 * Plans to check the bytes `startBytes` to `endBytes` of a file as far as its checkpoints allow: from the first
 * checkpoint within the slice to the last. Undefined when the slice holds no whole step.
 */
export function planChain(file: CheckedFile, startBytes: number, endBytes: number): ChainPlan | undefined {
  const { stepBytes, states } = file.checkpoints;
  const fromBytes = Math.ceil(startBytes / stepBytes) * stepBytes;
  const toBytes = endBytes === file.sizeBytes ? endBytes : Math.floor(endBytes / stepBytes) * stepBytes;
  if (fromBytes >= toBytes) return undefined;

  // Copies: what goes to another thread takes all the memory along that it is a view of.
  const stateAt = (bytes: number) => {
    const at = (bytes / stepBytes - 1) * STATE_BYTES;
    return new Uint8Array(states.subarray(at, at + STATE_BYTES));
  };
  const marks: ChainMark[] = [];
  for (let at = fromBytes; at < toBytes; ) {
    at = Math.min(toBytes, at + stepBytes);
    const isEnd = at === file.sizeBytes;
    marks.push({
      atBytes: at - startBytes,
      padding: isEnd ? paddingOf(at) : undefined,
      state: isEnd ? stateOfDigest(file.sha) : stateAt(at),
    });
  }
  return {
    coversSlice: fromBytes === startBytes && toBytes === endBytes,
    fromBytes: fromBytes - startBytes,
    state: fromBytes === 0 ? undefined : stateAt(fromBytes),
    marks,
  };
}

/** {@link planChain} for one of a session's slices. Undefined, too, when the session has no checkpoints. */
export function planSlice(
  { sizeBytes, sliceSizeBytes, sha }: SessionFacts,
  checkpoints: Checkpoints | undefined,
  index: number,
): ChainPlan | undefined {
  if (sha === undefined || !checkpoints) return undefined;
  const startBytes = index * sliceSizeBytes;
  return planChain({ sizeBytes, sha, checkpoints }, startBytes, Math.min(startBytes + sliceSizeBytes, sizeBytes));
}
