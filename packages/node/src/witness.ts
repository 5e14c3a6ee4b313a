import type { ByteRange } from '@cos-slice/core';
import type { Content } from './content.ts';
import type { Algorithm } from './hash-jobs.ts';
import { startHash } from './start-hash.ts';

/** Of each slice's digest: enough to tell a change that nobody designed, and a million slices take 8 MB. */
const KEPT_BYTES = 8;
const STEP_BYTES = 1024 * 1024;

type Listener = (algorithm: Algorithm, hex: string) => void;
const listeners = new WeakMap<Content, Listener>();

/** Tells whoever handed this content out what its digest is. */
export function noteDigest(content: Content, algorithm: Algorithm, hex: string): void {
  listeners.get(content)?.(algorithm, hex);
}

/** Fills the target. */
export type ReadAt = (target: Uint8Array, offset: number) => Promise<void>;

/**
 * What a file's content was when it was handed out, so that it can be compared with what the file holds later: digests that
 * are computed on the way anyway, kept.
 */
export interface Witness {
  /** This content is handed out; whoever digests it tells `noteDigest`. */
  follow(content: Content, range: ByteRange): void;
  /** SHA-1 of all of it, in hex. */
  followAll(sha: string): void;
  /** The server has these bytes, from this run or an earlier one. */
  stored(range: ByteRange): void;
  /** Whether all that was handed out, or is stored, can be compared. */
  readonly complete: boolean;
  /**
   * Reads again what is known. @returns whether it still is what it was
   *
   * @param going asked now and then; false ends the comparison
   */
  compare(read: ReadAt, going: () => boolean): Promise<boolean>;
}

export function createWitness(sizeBytes: number): Witness {
  let whole: string | undefined;
  let algorithm: Algorithm = 'md5';
  /** The slice that ends the file; all others have the length `stride`. */
  let tail: { readonly offset: number; readonly digest: Buffer } | undefined;
  let stride = 0;
  /** Zeros: not known. */
  let digests = Buffer.alloc(0);
  const awaited = new Set<number>();
  let unknownStored = false;

  const knownOf = (offset: number): Buffer | undefined => {
    if (tail?.offset === offset) return tail.digest;
    if (stride === 0 || offset % stride !== 0) return undefined;
    const at = (offset / stride) * KEPT_BYTES;
    const digest = digests.subarray(at, at + KEPT_BYTES);
    return digest.some((byte) => byte !== 0) ? digest : undefined;
  };
  const note = ({ offset, length }: ByteRange, used: Algorithm, hex: string): void => {
    const digest = Buffer.from(hex, 'hex').subarray(0, KEPT_BYTES);
    algorithm = used;
    awaited.delete(offset);
    if (offset + length === sizeBytes) {
      tail = { offset, digest };
      return;
    }
    if (length !== stride) {
      // The first; or the server has chosen another slice size, and with it all is sent anew.
      if (stride > 0) tail = undefined;
      stride = length;
      digests = Buffer.alloc(Math.ceil(sizeBytes / stride) * KEPT_BYTES);
    }
    digests.set(digest, (offset / stride) * KEPT_BYTES);
  };

  return {
    follow(content, range) {
      awaited.add(range.offset);
      listeners.set(content, (used, hex) => note(range, used, hex));
    },
    followAll(sha) {
      whole = sha;
    },
    stored({ offset, length }) {
      for (let at = offset; at < offset + length && !unknownStored; at += stride || length) {
        unknownStored = knownOf(at) === undefined;
      }
    },
    get complete() {
      return whole !== undefined || (awaited.size === 0 && !unknownStored);
    },
    async compare(read, going) {
      const same = async ({ offset, length }: ByteRange, used: Algorithm, expected: Buffer): Promise<boolean> => {
        const hash = await startHash(used);
        const buffer = new Uint8Array(Math.min(STEP_BYTES, length));
        for (let at = offset; at < offset + length && going(); at += STEP_BYTES) {
          const part = buffer.subarray(0, Math.min(STEP_BYTES, offset + length - at));
          await read(part, at);
          hash.update(part);
        }
        return !going() || Buffer.from(hash.digest('hex'), 'hex').subarray(0, expected.length).equals(expected);
      };
      if (whole !== undefined) return same({ offset: 0, length: sizeBytes }, 'sha1', Buffer.from(whole, 'hex'));
      for (let at = 0; stride > 0 && at < sizeBytes; at += stride) {
        const known = at === tail?.offset ? undefined : knownOf(at);
        if (known && !(await same({ offset: at, length: stride }, algorithm, Buffer.from(known)))) return false;
      }
      if (tail && !(await same({ offset: tail.offset, length: sizeBytes - tail.offset }, algorithm, tail.digest))) {
        return false;
      }
      return true;
    },
  };
}
