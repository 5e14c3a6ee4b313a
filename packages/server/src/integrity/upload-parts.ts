import { ProtocolError } from '../protocol/codes.ts';
import type { Checkpoints } from '../store/store.ts';
import { BLOCK_BYTES, STATE_BYTES } from './sha1-state.ts';

const MAX_ENTRY_CHARS = 1024;
const STATES_A_BLOCK = 200;

/** What `uploadparts` says (protocol section 3). */
export interface UploadParts {
  /** Sum of all parts. */
  readonly sizeBytes: number;
  /** `datasha` of the last part: the SHA-1 of the whole file. */
  readonly sha: string;
  /** Undefined when the parts are not evenly spaced on block boundaries, and so of no use for single slices. */
  readonly checkpoints: Checkpoints | undefined;
}

/** Reads `uploadparts` as it arrives: for a file of 1 TiB it has 100 MB and a million entries. */
export interface UploadPartsReader {
  /** @throws ProtocolError -5965 not the JSON it should be, -5999 parts that do not tile the file from its start */
  write(bytes: Uint8Array): void;
  /** Undefined when the field was empty. @throws ProtocolError -5965 cut off */
  end(): UploadParts | undefined;
}

/** @param keep told how many bytes more are kept; may throw */
export function createUploadPartsReader(keep: (bytes: number) => void = () => {}): UploadPartsReader {
  const decoder = new TextDecoder();
  let text = '';
  let count = 0;
  let stepBytes = 0;
  let sizeBytes = 0;
  let even = true;
  let lastBytes = 0;
  const blocks: Buffer[] = [];

  function add(entry: unknown): void {
    const { offset, datalen, datasha } = entry as Record<string, unknown>;
    const partBytes = Number(datalen);
    const isSha = typeof datasha === 'string' && /^[0-9a-f]{40}$/i.test(datasha);
    if (Number(offset) !== sizeBytes || !Number.isSafeInteger(partBytes) || partBytes <= 0 || !isSha) {
      throw new ProtocolError('badParameter', `uploadparts: entry ${count} is no part that follows the one before`);
    }
    if (count === 0) stepBytes = partBytes;
    // Only the last part may be shorter, which shows when another one follows.
    if ((count > 0 && lastBytes !== stepBytes) || partBytes > stepBytes) even = false;
    lastBytes = partBytes;
    sizeBytes += partBytes;
    const at = (count % STATES_A_BLOCK) * STATE_BYTES;
    if (at === 0) {
      keep(STATES_A_BLOCK * STATE_BYTES);
      blocks.push(Buffer.allocUnsafe(STATES_A_BLOCK * STATE_BYTES));
    }
    blocks.at(-1)?.write(datasha, at, 'hex');
    count++;
  }

  /** Entries hold no braces of their own, so each ends at the first closing one. */
  function takeEntries(): void {
    let start = 0;
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}', start)) {
      const lead = count === 0 ? /^\s*\[\s*(?=\{)/ : /^\s*,\s*(?=\{)/;
      const piece = text.slice(start, end + 1);
      const entry = lead.test(piece) ? parse(piece.replace(lead, '')) : undefined;
      if (entry === undefined) throw new ProtocolError('badUploadParts');
      add(entry);
      start = end + 1;
    }
    text = text.slice(start);
    if (text.length > MAX_ENTRY_CHARS) throw new ProtocolError('badUploadParts');
  }

  return {
    write(bytes) {
      text += decoder.decode(bytes, { stream: true });
      takeEntries();
    },
    end() {
      const rest = text.trim();
      if (count === 0 && (rest === '' || /^\[\s*\]$/.test(rest))) return undefined;
      if (count === 0 || rest !== ']') throw new ProtocolError('badUploadParts');
      const states = Buffer.concat(blocks, count * STATE_BYTES);
      const sha = states.toString('hex', (count - 1) * STATE_BYTES, count * STATE_BYTES);
      const usable = even && (count === 1 || stepBytes % BLOCK_BYTES === 0);
      return {
        sizeBytes,
        sha,
        checkpoints: usable ? { stepBytes, states: states.subarray(0, (count - 1) * STATE_BYTES) } : undefined,
      };
    },
  };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
