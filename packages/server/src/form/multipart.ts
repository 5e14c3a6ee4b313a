import { ProtocolError } from '../protocol/codes.ts';

/** Of one form; and fields of bodies of other kinds. */
export const MAX_PARTS = 64;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_BOUNDARY_CHARS = 200;
const MAX_PADDING_BYTES = 64;
const CRLF2 = Buffer.from('\r\n\r\n');

/** Takes the bytes of one part. */
export interface PartSink {
  /** Returns a promise when the sender should wait. */
  write(bytes: Buffer): Promise<void> | undefined;
  /** No more will be written, though what was may still be on its way. */
  end?(): void;
}

export interface MultipartParser {
  /** Returns a promise when the sender should wait. @throws ProtocolError -5999 for what is not a form */
  write(chunk: Buffer): Promise<void> | undefined;
  /** The body is over. A closing boundary may be missing: some clients never send one. */
  end(): Promise<void>;
}

/** The boundary of a multipart/form-data body. @throws ProtocolError -5999 when there is none to use */
export function boundaryOf(contentType: string): string {
  const match = /;\s*boundary\s*=\s*(?:"([^"\r\n]+)"|([^\s;"]+))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined || boundary.length > MAX_BOUNDARY_CHARS) {
    throw new ProtocolError('badParameter', 'multipart body without a usable boundary');
  }
  return boundary;
}

/**
 * Splits a form as it streams in. Content is passed on without being copied, and without being looked at twice except
 * for the few bytes at a chunk's end that may be the start of a boundary.
 */
export function createMultipartParser(
  boundary: string,
  onPart: (name: string) => PartSink | Promise<PartSink>,
): MultipartParser {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  let state: 'preamble' | 'header' | 'content' | 'done' = 'preamble';
  let sink: PartSink | undefined;
  let parts = 0;
  // The first boundary has no line break before it; this one makes it look like the others.
  let held: Buffer = Buffer.from('\r\n');

  function write(chunk: Buffer): Promise<void> | undefined {
    if (state === 'done') return undefined;
    if (state === 'content' && held.length === 0 && !mayEndIn(chunk)) return sink?.write(chunk);
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    held = EMPTY;
    return parse(bytes);
  }

  /** Whether a boundary starts in these bytes, or might start at their end. */
  function mayEndIn(bytes: Buffer): boolean {
    return bytes.includes(delimiter) || delimiterStart(bytes, delimiter) < bytes.length;
  }

  /** Goes on for as long as nobody asks to wait, and afterwards from there. */
  function parse(bytes: Buffer): Promise<void> | undefined {
    let rest = bytes;
    let isCut = false;
    while (rest.length > 0 && state !== 'done' && !isCut) {
      let wait: Promise<unknown> | undefined;
      if (state === 'header') {
        const end = rest.indexOf(CRLF2);
        if ((end < 0 ? rest.length : end) > MAX_HEADER_BYTES)
          throw new ProtocolError('badParameter', 'part header too long');
        if (end < 0) break;
        if (++parts > MAX_PARTS) throw new ProtocolError('badParameter', 'too many parts');
        wait = openPart(rest.toString('utf8', 0, end));
        rest = rest.subarray(end + CRLF2.length);
      } else {
        const { at, after } = findDelimiter(rest, delimiter);
        const contentEnd = at < 0 ? delimiterStart(rest, delimiter) : at;
        wait = pass(rest.subarray(0, contentEnd));
        isCut = after === 'more';
        if (after === 'end' || typeof after === 'number') {
          endPart();
          state = after === 'end' ? 'done' : 'header';
        }
        rest = rest.subarray(typeof after === 'number' ? after : contentEnd);
      }
      if (wait) return wait.then(() => parse(rest));
    }
    // A copy, so that a few bytes do not keep a whole network buffer alive.
    held = rest.length === 0 || state === 'done' ? EMPTY : Buffer.from(rest);
    return undefined;
  }

  function openPart(header: string): Promise<void> | undefined {
    state = 'content';
    const opened = onPart(partName(header));
    if (opened instanceof Promise) {
      return opened.then((part) => {
        sink = part;
      });
    }
    sink = opened;
    return undefined;
  }

  function pass(bytes: Buffer): Promise<void> | undefined {
    return state === 'content' && bytes.length > 0 ? sink?.write(bytes) : undefined;
  }

  function endPart(): void {
    sink?.end?.();
    sink = undefined;
  }

  return {
    write,
    async end() {
      if (state === 'preamble') throw new ProtocolError('badParameter', 'the body holds no form');
      if (state === 'header' && held.length > 0)
        throw new ProtocolError('badParameter', 'the body ends in a part header');
      if (state === 'content') {
        const isBoundary = held.subarray(0, delimiter.length).equals(delimiter);
        if (!isBoundary) await pass(held);
        endPart();
      }
      state = 'done';
    },
  };
}

const EMPTY = Buffer.alloc(0);

/**
 * The first delimiter that is one, and what comes after it. Look-alikes are content, and not passed on one by one: there may
 * be a lot of them.
 */
function findDelimiter(bytes: Buffer, delimiter: Buffer): { at: number; after: number | 'end' | 'more' } {
  for (let at = bytes.indexOf(delimiter); at >= 0; at = bytes.indexOf(delimiter, at + delimiter.length)) {
    const after = readAfterDelimiter(bytes, at + delimiter.length);
    if (after !== 'content') return { at, after };
  }
  return { at: -1, after: 'more' };
}

/** What follows a delimiter: the closing dashes, the start of a header (its position), or nothing special. */
function readAfterDelimiter(bytes: Buffer, from: number): number | 'end' | 'more' | 'content' {
  const dashes = bytes.toString('latin1', from, from + 2);
  if (dashes === '--') return 'end';
  if (dashes === '-') return 'more';
  let at = from;
  while (at < bytes.length && at - from < MAX_PADDING_BYTES && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
  const end = bytes.toString('latin1', at, at + 2);
  if (end === '\r\n') return at + 2;
  return end === '' || end === '\r' ? 'more' : 'content';
}

/** Where at the end of these bytes a delimiter may start that is cut off; their length if nowhere. */
function delimiterStart(bytes: Buffer, delimiter: Buffer): number {
  for (let at = bytes.length - delimiter.length + 1; ; at++) {
    at = bytes.indexOf(0x0d, Math.max(at, 0));
    if (at < 0) return bytes.length;
    if (bytes.subarray(at).equals(delimiter.subarray(0, bytes.length - at))) return at;
  }
}

/** What nearly all clients send. */
const PLAIN_HEADER = /^content-disposition: form-data; name="([^"\\\r\n]*)"$/i;

/** `name` of the part's Content-Disposition; a `filename` may hold anything, even text that looks like a name. */
function partName(header: string): string {
  const plainName = PLAIN_HEADER.exec(header)?.[1];
  if (plainName !== undefined) return plainName;
  const disposition = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(header)?.[1];
  const encoding = /^content-transfer-encoding:\s*(\S+)/im.exec(header)?.[1];
  if (encoding && !/^(binary|8bit|7bit)$/i.test(encoding)) {
    throw new ProtocolError('badParameter', 'encoded parts are not supported');
  }
  for (const [, key, quoted, plain] of disposition?.matchAll(
    /;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g,
  ) ?? []) {
    if (key?.toLowerCase() === 'name') return (quoted ?? plain ?? '').replace(/\\(.)/g, '$1');
  }
  throw new ProtocolError('badParameter', 'a part has no name');
}
