import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { escapeXml } from '../store/s3/xml.ts';

/** What goes wrong with some requests: the first rule that fits and is not used up counts. */
export interface S3Fault {
  readonly method: string;
  /** A parameter that the query must have, such as `partNumber` or `uploads`. */
  readonly has?: string;
  /** How many such requests go well before. Default none. */
  readonly after?: number;
  /** How often it happens. Default: always. */
  readonly times?: number;
  /** Answers with this status and code. A status of 200 comes with the error in the body. */
  readonly answer?: { readonly status: number; readonly code: string };
  /** Does what it is asked, and then loses its answer. */
  readonly losesAnswer?: boolean;
  readonly delayMs?: number;
  /** Leaves tags out of answers. */
  readonly hidesTag?: boolean;
  /** Lists no more at a time. */
  readonly pageSize?: number;
}

interface Entry {
  readonly bytes: Buffer;
  readonly headers: Record<string, string>;
  readonly etag: string;
  readonly atMs: number;
}

interface Upload {
  readonly key: string;
  readonly headers: Record<string, string>;
  readonly parts: Map<number, Entry>;
  readonly atMs: number;
}

export interface MockS3 {
  readonly endpoint: string;
  readonly objects: ReadonlyMap<string, Entry>;
  readonly uploads: ReadonlyMap<string, Upload>;
  /** Requests so far, such as `PUT partNumber`. */
  readonly requests: string[];
  faults: S3Fault[];
  /** Added to its clock. */
  aheadMs: number;
  /** Requests wait for what it returns before anything comes of them. */
  hold?: (method: string, key: string) => Promise<unknown> | undefined;
  /** A server that dies, known by its key: after so many more requests nothing comes of it, and nothing reaches it. */
  dying?: { readonly accessKeyId: string; requests: number; readonly onDeath: () => void };
  close(): Promise<void>;
}

const KEPT = /^(x-amz-meta-.*|content-type|cache-control|content-disposition|content-language|content-encoding)$/;
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** As much of S3 as a store asks for, in memory, with one bucket for all names and conditions on PUT and nothing else, as Ceph has. */
export async function startMockS3(): Promise<MockS3> {
  const objects = new Map<string, Entry>();
  const uploads = new Map<string, Upload>();
  const met = new Map<S3Fault, number>();
  const now = () => Math.floor((Date.now() + mock.aheadMs) / 1000) * 1000;

  function faultOf(method: string, query: URLSearchParams): S3Fault | undefined {
    return mock.faults.find((one) => {
      if (one.method !== method || (one.has && !query.has(one.has))) return false;
      const count = (met.get(one) ?? 0) + 1;
      met.set(one, count);
      const { after = 0, times = Number.POSITIVE_INFINITY } = one;
      return count > after && count <= after + times;
    });
  }

  const server = createServer(async (req, res) => {
    const url = new URL(req.url ?? '/', 'http://mock');
    const query = url.searchParams;
    const method = req.method ?? '';
    mock.requests.push([method, ...query.keys()].join(' '));
    if (mock.dying && req.headers.authorization?.includes(`=${mock.dying.accessKeyId}/`)) {
      if (mock.dying.requests-- === 0) mock.dying.onDeath();
      if (mock.dying.requests < 0) return void req.socket.destroy();
    }
    const fault = faultOf(method, query);
    if (fault?.delayMs) await sleep(fault.delayMs);
    const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'));
    await mock.hold?.(method, key);
    res.setHeader('Date', new Date(Date.now() + mock.aheadMs).toUTCString());
    if (fault?.answer) return fail(res, fault.answer.status, fault.answer.code);
    const body = await readBody(req);
    if (!body) return;
    if (fault?.losesAnswer) res.end = () => res.destroy();
    answer(req, res, key, query, body, fault ?? { method });
  });

  function answer(
    req: IncomingMessage,
    res: ServerResponse,
    key: string,
    query: URLSearchParams,
    body: Buffer,
    fault: S3Fault,
  ): void {
    const uploadId = query.get('uploadId') ?? '';
    const upload = uploads.get(uploadId);
    const kept = Object.fromEntries(
      Object.entries(req.headers).filter(([name]) => KEPT.test(name)),
    ) as Entry['headers'];
    const tagged = (etag: string) => (fault.hidesTag ? {} : { ETag: `"${etag}"` });
    const source = copySource(req);
    if (source === null) return fail(res, 404, 'NoSuchKey');
    if (key === '') return answerBucket(req, res, query, body, fault);
    if (query.has('uploads')) {
      const id = randomBytes(8).toString('hex');
      uploads.set(id, { key, headers: kept, parts: new Map(), atMs: now() });
      return xml(res, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (query.has('uploadId') && !upload) return fail(res, 404, 'NoSuchUpload');
    if (upload && req.method === 'PUT') {
      const part = entryOf(source ? rangeOf(source, req) : body, {});
      upload.parts.set(Number(query.get('partNumber')), part);
      if (source) return xml(res, `<CopyPartResult><ETag>${part.etag}</ETag></CopyPartResult>`);
      return void res.writeHead(200, tagged(part.etag)).end();
    }
    if (upload && req.method === 'GET') return listParts(res, upload, query, fault);
    if (upload && req.method === 'DELETE') {
      uploads.delete(uploadId);
      return void res.writeHead(204).end();
    }
    if (upload) {
      const wanted = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>"?(.*?)"?<\/ETag>/g)];
      const parts = wanted.map(([, number, etag]) => {
        const part = upload.parts.get(Number(number));
        return part && (etag === part.etag || etag === '') ? part : undefined;
      });
      if (parts.includes(undefined)) return fail(res, 400, 'InvalidPart');
      objects.set(
        upload.key,
        entryOf(Buffer.concat(parts.map((part) => part?.bytes ?? Buffer.alloc(0))), upload.headers),
      );
      uploads.delete(uploadId);
      const tag = fault.hidesTag ? '' : `<ETag>${objects.get(upload.key)?.etag}</ETag>`;
      return xml(res, `  \n<CompleteMultipartUploadResult>${tag}</CompleteMultipartUploadResult>`);
    }
    const there = objects.get(key);
    if (req.method === 'PUT') {
      if (req.headers['if-none-match'] === '*' && there && !source) return fail(res, 412, 'PreconditionFailed');
      const match = req.headers['if-match'];
      if (match !== undefined && match !== there?.etag) return fail(res, 412, 'PreconditionFailed');
      const entry = entryOf(source?.bytes ?? body, kept);
      objects.set(key, entry);
      if (source) return xml(res, `<CopyObjectResult><ETag>${entry.etag}</ETag></CopyObjectResult>`);
      return void res.writeHead(200, tagged(entry.etag)).end();
    }
    if (req.method === 'DELETE') {
      objects.delete(key);
      return void res.writeHead(204).end();
    }
    if (!there) return fail(res, 404, 'NoSuchKey');
    const bytes = rangeOf(there, req);
    res.writeHead(req.headers.range ? 206 : 200, {
      ...there.headers,
      ETag: `"${there.etag}"`,
      'Last-Modified': new Date(there.atMs).toUTCString(),
      'Content-Length': bytes.length,
    });
    res.end(req.method === 'HEAD' ? undefined : bytes);
  }

  /** Undefined for a request that copies nothing, null where there is no such source. */
  function copySource(req: IncomingMessage): Entry | undefined | null {
    const source = req.headers['x-amz-copy-source'];
    if (typeof source !== 'string') return undefined;
    return objects.get(decodeURIComponent(source.split('/').slice(2).join('/'))) ?? null;
  }

  function answerBucket(
    req: IncomingMessage,
    res: ServerResponse,
    query: URLSearchParams,
    body: Buffer,
    fault: S3Fault,
  ): void {
    if (req.method === 'POST') {
      for (const [, key = ''] of body.toString().matchAll(/<Key>(.*?)<\/Key>/g)) objects.delete(key);
      return xml(res, '<DeleteResult/>');
    }
    const prefix = query.get('prefix') ?? '';
    if (query.has('uploads')) {
      const found = [...uploads].filter(([, { key }]) => key.startsWith(prefix));
      const list = found.map(
        ([id, { key, atMs }]) =>
          `<Upload><Key>${encodeURIComponent(key)}</Key><UploadId>${id}</UploadId><Initiated>${iso(atMs)}</Initiated></Upload>`,
      );
      return xml(res, `<ListMultipartUploadsResult>${list.join('')}</ListMultipartUploadsResult>`);
    }
    listObjects(res, prefix, query, fault);
  }

  function listObjects(res: ServerResponse, prefix: string, query: URLSearchParams, fault: S3Fault): void {
    const delimiter = query.get('delimiter');
    const marker = query.get('marker') ?? '';
    const rows = new Map<string, Entry | undefined>();
    for (const [key, entry] of objects) {
      if (!key.startsWith(prefix)) continue;
      const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
      const row = cut < 0 ? key : key.slice(0, cut + 1);
      if (Buffer.compare(Buffer.from(row), Buffer.from(marker)) > 0) rows.set(row, cut < 0 ? entry : undefined);
    }
    const sorted = [...rows].sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    const page = sorted.slice(0, Math.min(Number(query.get('max-keys') ?? 1000), fault.pageSize ?? 1000));
    const list = page.map(([key, entry]) =>
      entry
        ? `<Contents><Key>${encodeURIComponent(key)}</Key><LastModified>${iso(entry.atMs)}</LastModified><ETag>&quot;${entry.etag}&quot;</ETag><Size>${entry.bytes.length}</Size></Contents>`
        : `<CommonPrefixes><Prefix>${encodeURIComponent(key)}</Prefix></CommonPrefixes>`,
    );
    const isTruncated = page.length < sorted.length;
    xml(res, `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${list.join('')}</ListBucketResult>`);
  }

  function listParts(res: ServerResponse, { parts }: Upload, query: URLSearchParams, fault: S3Fault): void {
    const after = Number(query.get('part-number-marker') ?? 0);
    const sorted = [...parts].sort(([one], [other]) => one - other).filter(([number]) => number > after);
    const page = sorted.slice(0, Math.min(Number(query.get('max-parts') ?? 1000), fault.pageSize ?? 1000));
    const list = page.map(
      ([number, { bytes, etag, atMs }]) =>
        `<Part><PartNumber>${number}</PartNumber><LastModified>${iso(atMs)}</LastModified>${
          fault.hidesTag ? '' : `<ETag>&quot;${etag}&quot;</ETag>`
        }<Size>${bytes.length}</Size></Part>`,
    );
    const isTruncated = page.length < sorted.length;
    const next = isTruncated ? `<NextPartNumberMarker>${page.at(-1)?.[0]}</NextPartNumberMarker>` : '';
    xml(res, `<ListPartsResult>${next}<IsTruncated>${isTruncated}</IsTruncated>${list.join('')}</ListPartsResult>`);
  }

  function entryOf(bytes: Buffer, headers: Record<string, string>): Entry {
    return { bytes, headers, etag: md5(bytes), atMs: now() };
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const mock: MockS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    uploads,
    requests: [],
    faults: [],
    aheadMs: 0,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return mock;
}

const iso = (atMs: number) => new Date(atMs).toISOString();

function rangeOf({ bytes }: Entry, req: IncomingMessage): Buffer {
  const range = /bytes=(\d+)-(\d+)/.exec(String(req.headers['x-amz-copy-source-range'] ?? req.headers.range ?? ''));
  return range ? bytes.subarray(Number(range[1]), Number(range[2]) + 1) : bytes;
}

/** Undefined when it broke off, which leaves nothing behind. */
async function readBody(req: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of req) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  }
}

function xml(res: ServerResponse, text: string): void {
  res.writeHead(200, { 'Content-Type': 'application/xml' });
  res.end(`<?xml version="1.0" encoding="UTF-8"?>${text}`);
}

function fail(res: ServerResponse, status: number, code: string): void {
  res.writeHead(status, { 'Content-Type': 'application/xml', Connection: 'close' });
  res.end(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${escapeXml(code)}</Code></Error>`);
}
