import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { bodyOf, type Outgoing, type S3Body, type S3Client } from './client.ts';
import { ifThere } from './s3-error.ts';
import { encodeKey } from './transport.ts';
import { childrenOf, escapeXml, textOf, type XmlElement } from './xml.ts';

/** Merging the parts of a large upload takes its time. */
const COMPLETE_IDLE_MS = 20 * 60_000;
const COPY_IDLE_MS = 10 * 60_000;
const PAGE = 1000;
/** The store's clock counts in seconds. */
export const CLOCK_MS = 2000;

/** Where something lies in the store. */
export interface Place {
  readonly bucket: string;
  readonly key: string;
}

export interface Upload extends Place {
  readonly uploadId: string;
}

export interface Part {
  readonly number: number;
  /** As it has to be given back; empty where the store does not tell. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

export interface Head {
  readonly headers: IncomingHttpHeaders;
  readonly sizeBytes: number;
  /** Without its quotes. */
  readonly etag: string;
  readonly modifiedAtMs: number;
  /** What the store's clock says. */
  readonly nowMs: number;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** Without its quotes. */
  readonly etag: string;
  readonly modifiedAtMs: number;
}

export interface ObjectPage {
  readonly objects: readonly ListedObject[];
  /** What keys have in common up to the delimiter, which is at their end. */
  readonly prefixes: readonly string[];
  /** Where to go on; undefined at the end. */
  readonly nextMarker: string | undefined;
  readonly nowMs: number;
}

export interface PutOptions {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Only where nothing is. */
  readonly ifNew?: boolean;
  /** Only where this is, in the spelling that the store takes. */
  readonly ifMatch?: string | undefined;
}

type Headers = Readonly<Record<string, string>>;

/** The calls that the store makes, each as the store below spells it. */
export interface Calls {
  /** @returns the entity tag, without its quotes */
  put(place: Place, body: S3Body | string | Uint8Array, options?: PutOptions): Promise<string>;
  head(place: Place): Promise<Head | undefined>;
  /** A short object, as text. */
  read(place: Place): Promise<{ readonly text: string; readonly head: Head } | undefined>;
  /** A stretch of an object, both ends included, as long as it is the one with this tag. */
  open(place: Place, range: { start: number; end: number } | undefined, etag?: string): Promise<IncomingMessage>;
  delete(place: Place): Promise<void>;
  deleteAll(bucket: string, keys: readonly string[]): Promise<void>;
  /** Copies within the store, under new headers. */
  copy(source: Place, etag: string, target: Place, headers: Headers): Promise<void>;
  list(
    bucket: string,
    prefix: string,
    options?: { delimiter?: string; marker?: string; max?: number },
  ): Promise<ObjectPage>;
  createUpload(place: Place, headers: Headers): Promise<Upload>;
  streamPart(upload: Upload, number: number, sizeBytes: number): Promise<Outgoing>;
  copyPart(upload: Upload, number: number, source: Place, etag: string, start: number, end: number): Promise<string>;
  /** @param after only parts with higher numbers. Undefined when there is no such upload */
  listParts(upload: Upload, max?: number): Promise<readonly Part[] | undefined>;
  completeUpload(upload: Upload, parts: readonly Pick<Part, 'number' | 'etag'>[], ifNew: boolean): Promise<void>;
  abortUpload(upload: Upload): Promise<void>;
  listUploads(bucket: string, prefix: string): Promise<readonly (Upload & { readonly initiatedAtMs: number })[]>;
}

export function createCalls(client: S3Client): Calls {
  const query = (upload: Upload) => ({ uploadId: upload.uploadId });

  return {
    async put(place, content, { headers, ifNew, ifMatch } = {}) {
      const body = typeof content === 'string' || content instanceof Uint8Array ? bodyOf(content) : content;
      const reply = await client.call(
        {
          method: 'PUT',
          ...place,
          headers: { ...headers, ...(ifNew && { 'if-none-match': '*' }), 'if-match': ifMatch },
        },
        { body },
      );
      return tagOf(reply.headers.etag);
    },
    async head(place) {
      const reply = await ifThere(client.call({ method: 'HEAD', ...place }));
      return reply && headOf(reply.headers);
    },
    async read(place) {
      const reply = await ifThere(client.call({ method: 'GET', ...place }));
      return reply && { text: reply.text, head: headOf(reply.headers) };
    },
    open: (place, range, etag) =>
      client.open({
        method: 'GET',
        ...place,
        headers: {
          ...(range && { range: `bytes=${range.start}-${range.end}` }),
          ...(etag && { 'if-match': `"${etag}"` }),
        },
      }),
    async delete(place) {
      await ifThere(client.call({ method: 'DELETE', ...place }));
    },
    async deleteAll(bucket, keys) {
      for (let at = 0; at < keys.length; at += PAGE) {
        const objects = keys.slice(at, at + PAGE).map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`);
        const body = bodyOf(`<Delete><Quiet>true</Quiet>${objects.join('')}</Delete>`);
        await client.call({ method: 'POST', bucket, query: { delete: '' }, headers: md5Header(body) }, { body });
      }
    },
    async copy(source, etag, target, headers) {
      await client.call(
        {
          method: 'PUT',
          ...target,
          headers: {
            ...headers,
            'x-amz-copy-source': `/${source.bucket}/${encodeKey(source.key)}`,
            'x-amz-copy-source-if-match': etag,
            'x-amz-metadata-directive': 'REPLACE',
          },
        },
        { idleMs: COPY_IDLE_MS },
      );
    },
    async list(bucket, prefix, { delimiter, marker, max = PAGE } = {}) {
      const reply = await client.call({
        method: 'GET',
        bucket,
        query: { prefix, delimiter, marker, 'max-keys': max, 'encoding-type': 'url' },
      });
      const objects = childrenOf(reply.xml, 'Contents').map((entry) => ({
        key: decode(textOf(entry, 'Key')),
        sizeBytes: Number(textOf(entry, 'Size')) || 0,
        etag: tagOf(textOf(entry, 'ETag')),
        modifiedAtMs: timeOf(textOf(entry, 'LastModified')),
      }));
      const prefixes = childrenOf(reply.xml, 'CommonPrefixes').map((entry) => decode(textOf(entry, 'Prefix')));
      const isTruncated = textOf(reply.xml, 'IsTruncated') === 'true';
      const last = [...objects.map(({ key }) => key), ...prefixes].sort(byBytes).at(-1);
      // Without a delimiter S3 does not say where to go on.
      const next = textOf(reply.xml, 'NextMarker');
      const nextMarker = isTruncated ? (next ? decode(next) : last) : undefined;
      if (nextMarker !== undefined && marker !== undefined && byBytes(nextMarker, marker) <= 0) throw circle();
      return { objects, prefixes, nextMarker, nowMs: timeOf(reply.headers.date) };
    },
    async createUpload(place, headers) {
      const body = bodyOf('');
      const reply = await client.call(
        { method: 'POST', ...place, query: { uploads: '' }, headers },
        { body, isOnce: true },
      );
      const uploadId = textOf(reply.xml, 'UploadId');
      if (!uploadId) throw new Error('the object store began an upload without an UploadId');
      return { bucket: place.bucket, key: place.key, uploadId };
    },
    streamPart: ({ bucket, key, uploadId }, number, sizeBytes) =>
      client.stream({ method: 'PUT', bucket, key, query: { partNumber: number, uploadId } }, sizeBytes),
    async copyPart({ bucket, key, uploadId }, number, source, etag, start, end) {
      const reply = await client.call(
        {
          method: 'PUT',
          bucket,
          key,
          query: { partNumber: number, uploadId },
          headers: {
            'x-amz-copy-source': `/${source.bucket}/${encodeKey(source.key)}`,
            'x-amz-copy-source-if-match': etag,
            'x-amz-copy-source-range': `bytes=${start}-${end}`,
          },
        },
        { idleMs: COPY_IDLE_MS },
      );
      return tagOf(textOf(reply.xml, 'ETag'));
    },
    async listParts(upload, max = Number.POSITIVE_INFINITY) {
      const parts: Part[] = [];
      for (let after: string | undefined; ; ) {
        const reply = await ifThere(
          client.call({
            method: 'GET',
            bucket: upload.bucket,
            key: upload.key,
            query: { ...query(upload), 'max-parts': Math.min(PAGE, max), 'part-number-marker': after },
          }),
        );
        if (!reply) return undefined;
        const page = childrenOf(reply.xml, 'Part');
        for (const part of page) {
          parts.push({
            number: wholeOf(part, 'PartNumber'),
            etag: tagOf(textOf(part, 'ETag')),
            sizeBytes: wholeOf(part, 'Size'),
            modifiedAtMs: timeOf(textOf(part, 'LastModified')),
          });
        }
        if (textOf(reply.xml, 'IsTruncated') !== 'true' || page.length === 0 || parts.length >= max) return parts;
        const next = textOf(reply.xml, 'NextPartNumberMarker') || String(parts.at(-1)?.number);
        if (!(Number(next) > Number(after ?? 0))) throw circle();
        after = next;
      }
    },
    async completeUpload(upload, parts, ifNew) {
      // No white space: some stores take a megabyte, which ten thousand parts nearly fill.
      const list = parts.map(
        ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag></Part>`,
      );
      const body = bodyOf(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`);
      const headers = { 'content-type': 'application/xml', ...(ifNew && { 'if-none-match': '*' }) };
      const { bucket, key } = upload;
      const reply = await client.call(
        { method: 'POST', bucket, key, query: query(upload), headers },
        { body, idleMs: COMPLETE_IDLE_MS },
      );
      if (reply.xml?.name !== 'CompleteMultipartUploadResult') {
        throw new Error('the object store said neither that the upload is complete nor why not');
      }
    },
    async abortUpload(upload) {
      const { bucket, key } = upload;
      await ifThere(client.call({ method: 'DELETE', bucket, key, query: query(upload) }));
    },
    async listUploads(bucket, prefix) {
      const uploads: (Upload & { initiatedAtMs: number })[] = [];
      // The ids of one key's uploads are in no order that is known here.
      const turned = new Set<string>();
      for (let marker: Record<string, string> = {}; ; ) {
        const { xml } = await client.call({
          method: 'GET',
          bucket,
          query: { uploads: '', prefix, 'max-uploads': PAGE, 'encoding-type': 'url', ...marker },
        });
        const page = childrenOf(xml, 'Upload');
        for (const upload of page) {
          uploads.push({
            bucket,
            key: decode(textOf(upload, 'Key')),
            uploadId: textOf(upload, 'UploadId') ?? textOf(upload, 'UploadID') ?? '',
            initiatedAtMs: timeOf(textOf(upload, 'Initiated')),
          });
        }
        if (textOf(xml, 'IsTruncated') !== 'true' || page.length === 0) return uploads;
        const next = {
          'key-marker': decode(textOf(xml, 'NextKeyMarker')),
          'upload-id-marker': textOf(xml, 'NextUploadIdMarker') ?? '',
        };
        const text = JSON.stringify(next);
        if (turned.has(text)) throw circle();
        turned.add(text);
        marker = next;
      }
    },
  };
}

/** For bodies that must be whole; also what S3 wants of a list of objects to be deleted. */
export function md5Header({ read }: S3Body): { readonly 'content-md5': string } {
  const hash = createHash('md5');
  for (const bytes of read() as Iterable<Uint8Array>) hash.update(bytes);
  return { 'content-md5': hash.digest('base64') };
}

/** In the order of the bytes of UTF-8, which is that of the store. */
export function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

export function headOf(headers: IncomingHttpHeaders): Head {
  return {
    headers,
    sizeBytes: Number(headers['content-length'] ?? 0),
    etag: tagOf(headers.etag),
    modifiedAtMs: timeOf(headers['last-modified']),
    nowMs: timeOf(headers.date),
  };
}

function tagOf(text: string | undefined): string {
  return (text ?? '').replace(/^W\//, '').replaceAll('"', '');
}

function timeOf(text: string | undefined): number {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? Date.now() : ms;
}

/** With `encoding-type=url` stores encode keys as forms do. What is not encoded stays as it is. */
function decode(text = ''): string {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return text;
  }
}

function wholeOf(element: XmlElement, name: string): number {
  const text = textOf(element, name) ?? '';
  if (!/^\d{1,15}$/.test(text)) throw new Error(`the object store lists something without a usable ${name}`);
  return Number(text);
}

/** Pages that lead nowhere must not be turned for ever. */
function circle(): Error {
  return new Error('the pages of a list of the object store go round in a circle');
}
