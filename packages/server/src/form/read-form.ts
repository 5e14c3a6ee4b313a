import type { IncomingMessage } from 'node:http';
import type { Kept } from '../content/held.ts';
import { readBody, tooLarge } from '../http/body.ts';
import { createUploadPartsReader, type UploadParts } from '../integrity/upload-parts.ts';
import { ProtocolError } from '../protocol/codes.ts';
import type { Fields } from '../protocol/fields.ts';
import { givenBody } from './given.ts';
import { boundaryOf, createMultipartParser, MAX_PARTS as MAX_FIELDS, type PartSink } from './multipart.ts';

const MIB = 1024 * 1024;
/** `biz_attr` and `custom_headers` are the long ones. */
const MAX_FIELD_BYTES = 64 * 1024;
/** Room for the `uploadparts` of 1 TiB in 1 MiB steps (100 MB); they are read as a stream and kept at 20 bytes each. */
const MAX_UPLOAD_PARTS_BYTES = 128 * MIB;
/** JSON and urlencoded bodies are read whole, and parsing them stops everything else meanwhile. */
const MAX_PLAIN_BODY_BYTES = MIB;
const MAX_JSON_DEPTH = 32;
/** Only these take `uploadparts`: in others it is a field like any. */
const OPS_WITH_PARTS: ReadonlySet<string> = new Set(['upload_slice_init', 'upload_slice']);

/** A request's fields, whichever dialect it used (protocol section 1). */
export interface Form {
  readonly fields: Fields;
  readonly uploadParts: UploadParts | undefined;
}

export interface FormReader {
  /** Room for one content part, in bytes. */
  readonly maxContentBytes: number;
  /** Told what is kept of the body; the caller releases it. */
  readonly kept: Kept;
  onBytes(bytes: number): void;
  /** Called when the content part begins, with the fields that came before it. */
  openContent(fields: Fields): Promise<PartSink>;
}

/**
 * Reads multipart, JSON and urlencoded bodies; an empty body leaves the fields to the query. Fields in the body win.
 *
 * @throws ProtocolError -5999 malformed, too large, or a field given twice with different values; -5965 uploadparts; -5997 when
 *   all requests together keep too much
 */
export async function readForm(req: IncomingMessage, query: Fields, reader: FormReader): Promise<Form> {
  const contentType = req.headers['content-type'] ?? '';
  const fields = new Map<string, string>();
  const keep: Keep = (bytes) => reader.kept.add(bytes);
  let uploadParts: UploadParts | undefined;

  /** Also when the operation is not known yet, or is in the query. */
  function isParts(name: string): boolean {
    const op = fields.get('op');
    return name === 'uploadparts' && (op === undefined || OPS_WITH_PARTS.has(op));
  }

  function add(name: string, value: string): void {
    const known = fields.get(name);
    if (known !== undefined && known !== value)
      throw new ProtocolError('badParameter', `${shown(name)} is given twice`);
    fields.set(name, value);
  }

  const openUploadParts = (): PartSink & { end(): void } => {
    const parts = createUploadPartsReader(keep);
    return limited(
      MAX_UPLOAD_PARTS_BYTES,
      'uploadparts',
      (bytes) => parts.write(bytes),
      () => {
        uploadParts = parts.end();
      },
    );
  };

  /** Values that came in one piece. */
  function addValue(rawName: string, value: string): void {
    const name = canonicalName(rawName);
    if (name === 'filecontent') throw new ProtocolError('badParameter', 'content needs a multipart body');
    if (isParts(name)) {
      const sink = openUploadParts();
      void sink.write(Buffer.from(value));
      sink.end();
    } else if (Buffer.byteLength(value) > MAX_FIELD_BYTES) throw tooLong(name);
    else add(name, value);
  }

  function addObject(object: object): void {
    const entries = Object.entries(object);
    if (entries.length > MAX_FIELDS) throw tooManyFields();
    for (const [name, value] of entries)
      addValue(wellFormed(name), typeof value === 'string' ? wellFormed(value) : toJson(value));
  }

  const given = givenBody(req);
  const read: ReadAll = (maxBytes, onChunk) =>
    given && 'bytes' in given
      ? pour(given.bytes, maxBytes, reader.onBytes, onChunk)
      : readBody(req, maxBytes, reader.onBytes, onChunk);

  if (given && 'fields' in given) addObject(given.fields);
  else if (/^multipart\/form-data/i.test(contentType)) {
    let hasContent = false;
    const parser = createMultipartParser(boundaryOf(contentType), (rawName) => {
      const name = canonicalName(rawName);
      if (isParts(name)) return openUploadParts();
      if (name !== 'filecontent') return collect(name, keep, add);
      // A client's repeated append must not pass for a longer slice.
      if (hasContent) throw new ProtocolError('badParameter', 'the content is given twice');
      hasContent = true;
      return reader.openContent(fields);
    });
    await read(reader.maxContentBytes + MAX_UPLOAD_PARTS_BYTES, (chunk) => parser.write(chunk));
    await parser.end();
  } else {
    const text = await readText(read, keep);
    if (/^application\/x-www-form-urlencoded/i.test(contentType) && !text.startsWith('{')) {
      if (text.split('&', MAX_FIELDS + 1).length > MAX_FIELDS) throw tooManyFields();
      for (const [name, value] of new URLSearchParams(text)) addValue(name, value);
    } else if (text !== '') addObject(parseObject(text));
  }
  for (const [name, value] of query) if (!fields.has(name)) fields.set(name, value);
  return { fields, uploadParts };
}

type OnChunk = (chunk: Buffer) => Promise<void> | undefined;
/** Reads the body, wherever it is. */
type ReadAll = (maxBytes: number, onChunk: OnChunk) => Promise<void>;

async function pour(bytes: Buffer, maxBytes: number, onBytes: FormReader['onBytes'], onChunk: OnChunk): Promise<void> {
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  onBytes(bytes.length);
  await onChunk(bytes);
}

/** JSON can spell halves of characters, which nothing that is stored or sent can hold. */
function wellFormed(text: string): string {
  return /\p{Cs}/u.test(text) ? Buffer.from(text).toString() : text;
}

/** A name that came with a request, for a message: in one line, and not all of a long one. */
function shown(name: string): string {
  return name.slice(0, 100).replace(/[\s\p{Cc}]+/gu, ' ');
}

function tooManyFields(): ProtocolError {
  return new ProtocolError('badParameter', `more than ${MAX_FIELDS} fields`);
}

function toJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    throw new ProtocolError('badParameter', 'a field is nested too deeply');
  }
}

/** Names that clients spell in two ways. */
function canonicalName(name: string): string {
  return name === 'fileContent' || name === 'fileSize' ? name.toLowerCase() : name;
}

function tooLong(name: string): ProtocolError {
  return new ProtocolError('badParameter', `${shown(name)} is too long`);
}

function limited(
  maxBytes: number,
  name: string,
  take: (bytes: Buffer) => void,
  end: () => void,
): PartSink & { end(): void } {
  let total = 0;
  return {
    write(bytes) {
      total += bytes.length;
      if (total > maxBytes) throw tooLong(name);
      take(bytes);
      return undefined;
    },
    end,
  };
}

type Keep = (bytes: number) => void;

function collect(name: string, keep: Keep, done: (name: string, value: string) => void): PartSink {
  const chunks: Buffer[] = [];
  return limited(
    MAX_FIELD_BYTES,
    name,
    (bytes) => {
      keep(bytes.length);
      chunks.push(bytes);
    },
    () => done(name, (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString('utf8')),
  );
}

async function readText(read: ReadAll, keep: Keep): Promise<string> {
  const chunks: Buffer[] = [];
  await read(MAX_PLAIN_BODY_BYTES, (chunk) => {
    keep(chunk.length);
    chunks.push(chunk);
    return undefined;
  });
  return Buffer.concat(chunks).toString('utf8').trim();
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether brackets are nested so deep that a parser would take long over them, or run out of stack. */
function isTooDeep(json: string): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) isText = !isText;
    else if (isText) at += code === BACKSLASH ? 1 : 0;
    else if (code === 0x5b || code === 0x7b) depth++;
    else if (code === 0x5d || code === 0x7d) depth--;
    if (depth > MAX_JSON_DEPTH) return true;
  }
  return false;
}

function parseObject(text: string): object {
  if (isTooDeep(text)) throw new ProtocolError('badParameter', 'the body is nested too deeply');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below.
  }
  throw new ProtocolError('badParameter', 'the body is neither a form nor a JSON object');
}
