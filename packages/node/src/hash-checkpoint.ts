import type { HashCheckpoint } from '@cos-slice/core';
import { createSHA1 } from 'hash-wasm';

const FORMAT = 'sha1-1';
const STATE_BYTES = 20;

/** A place in the pass of integrity `sha1`, at the end of a slice. */
export interface HashPosition {
  readonly hashedBytes: number;
  /** The hash's own state. */
  readonly state: Uint8Array;
  /** Chaining states at the ends of the slices so far, 20 bytes each, in any number of pieces. */
  readonly states: readonly Uint8Array[];
}

export function encodeCheckpoint(position: HashPosition, sliceSizeBytes: number): HashCheckpoint {
  const state = Buffer.from(position.state).toString('base64');
  const states = Buffer.concat(position.states).toString('base64');
  return { hashedBytes: position.hashedBytes, data: [FORMAT, sliceSizeBytes, state, states].join(':') };
}

/** @returns undefined when there is none, or it is of another format, slice size or length: then hashing starts over */
export async function decodeCheckpoint(
  checkpoint: HashCheckpoint | undefined,
  sizeBytes: number,
  sliceSizeBytes: number,
): Promise<HashPosition | undefined> {
  if (checkpoint === undefined) return undefined;
  const { hashedBytes, data } = checkpoint;
  const [format, sliceSize, stateText = '', statesText = ''] = data.split(':');
  const state = Buffer.from(stateText, 'base64');
  const states = Buffer.from(statesText, 'base64');
  const fits =
    format === FORMAT &&
    sliceSize === String(sliceSizeBytes) &&
    hashedBytes > 0 &&
    hashedBytes < sizeBytes &&
    hashedBytes % sliceSizeBytes === 0 &&
    states.length === (hashedBytes / sliceSizeBytes) * STATE_BYTES &&
    (await loads(state));
  return fits ? { hashedBytes, state, states: [states] } : undefined;
}

/** hash-wasm marks its states with its version and refuses others. */
async function loads(state: Uint8Array): Promise<boolean> {
  const sha1 = await createSHA1();
  try {
    sha1.load(state);
    return true;
  } catch {
    return false;
  }
}
