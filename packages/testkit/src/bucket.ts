import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createCRC64 } from 'hash-wasm';

const PAGE = 1000;

/** One upload in parts that has not ended. */
export interface BucketUpload {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** By number. Tests may put others there. */
  readonly parts: Map<number, Buffer>;
  /** Its parts come with a CRC-64. */
  readonly hasCrc: boolean;
}

export interface Bucket {
  readonly endpoint: string;
  /** By path in the bucket. */
  readonly objects: Map<string, Buffer>;
  readonly uploads: Map<string, BucketUpload>;
  /** Method and query of each request, and the number of each part that was sent. */
  readonly requests: string[];
  readonly sent: number[];
  /** What happens to a request of an account: it never arrives, or it is carried out and its answer lost. */
  fault: (request: string, account: string) => 'lost' | 'answer-lost' | undefined;
  /** What is stored of what came with a request. */
  damage: (request: string, bytes: Buffer) => Buffer;
  /** Does not tell CRC-64s in headers. */
  hidesCrc: boolean;
  /** Encrypts with a key of its own (SSE-KMS): ETags are no MD5s, as a header says that pages do not see. */
  seals: boolean;
  /** Empty again, and without faults. */
  reset(): void;
  close(): Promise<void>;
}

/**
 * A bucket in memory, as S3 and the XML API of COS have them, with its name in front of the host or without one: parts of any
 * number and size, their real MD5s, pages of 1,000. Pages of other origins may do everything. Signatures are not looked at.
 */
export async function startBucket(prefix: 'x-amz-' | 'x-cos-'): Promise<Bucket> {
  const crc = await startCrc64(prefix);
  const objects = new Map<string, Buffer>();
  const metadata = new Map<string, Record<string, string>>();
  const uploads = new Map<string, BucketUpload>();
  const requests: string[] = [];
  const sent: number[] = [];
  const md5 = (bytes: Uint8Array, encoding: 'hex' | 'base64') => createHash('md5').update(bytes).digest(encoding);
  const etagOf = (bytes: Uint8Array): string => md5(bucket.seals ? Buffer.from(md5(bytes, 'hex')) : bytes, 'hex');

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { pathname, searchParams: query } = new URL(req.url ?? '/', 'http://bucket');
    const { method = 'GET' } = req;
    const shown = ['ETag', 'Date', `${prefix}meta-cos-slice-upload`, ...(bucket.hidesCrc ? [] : [crc.header])];
    if (answerPage(req, res, shown)) return;
    if (bucket.seals) res.setHeader(`${prefix}server-side-encryption`, 'aws:kms');
    const body = await buffer(req);
    const line = [method, ...query.keys()].join(' ');
    requests.push(line);
    const [, account = ''] = /(?:q-ak=|Credential=)([^&/]+)/.exec(req.headers.authorization ?? '') ?? [];
    const fault = bucket.fault(line, account);
    if (fault === 'lost') return void req.socket.destroy();
    if (fault) res.end = () => res.destroy();
    const said = req.headers['content-md5'];
    if (said !== undefined && said !== md5(body, 'base64')) return refuse(res, 400, 'BadDigest');
    const saidCrc = method === 'PUT' && prefix === 'x-amz-' ? req.headers[crc.header] : undefined;
    if (saidCrc !== undefined && saidCrc !== crc.of(body)) return refuse(res, 400, 'BadDigest');
    const key = decodeURIComponent(pathname.slice(1));
    const id = query.get('uploadId');
    if (method === 'POST' && query.has('uploads')) {
      const session = randomBytes(8).toString('hex');
      const hasCrc = req.headers['x-amz-checksum-algorithm'] === 'CRC64NVME';
      uploads.set(session, { key, headers: keptOf(req), parts: new Map(), hasCrc });
      return xml(res, `<InitiateMultipartUploadResult><UploadId>${session}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (id === null) return answerObject(req, res, key, body);
    const upload = uploads.get(id);
    if (!upload) return refuse(res, 404, 'NoSuchUpload');
    switch (method) {
      case 'PUT': {
        const number = Number(query.get('partNumber'));
        // As AWS has it: all parts of an upload have the kind of checksum that it was begun with, or none has.
        if (prefix === 'x-amz-' && upload.hasCrc !== (saidCrc !== undefined)) return refuse(res, 400, 'InvalidRequest');
        const part = bucket.damage(line, body);
        upload.parts.set(number, part);
        sent.push(number);
        return void res.writeHead(200, { ETag: `"${etagOf(part)}"`, ...crcOf(req, part) }).end();
      }
      case 'GET':
        return xml(res, pageAfter(upload, Number(query.get('part-number-marker'))));
      case 'DELETE':
        uploads.delete(id);
        return void res.writeHead(204).end();
      default: {
        const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>(.*?)<\/ETag>/g)];
        const parts = named.flatMap(([, number, tag]) => {
          const part = upload.parts.get(Number(number));
          return part && tag?.includes(etagOf(part)) ? part : [];
        });
        if (parts.length !== named.length) return refuse(res, 400, 'InvalidPart');
        const whole = bucket.damage(line, Buffer.concat(parts));
        const wanted = req.headers[crc.header];
        if (prefix === 'x-amz-' && wanted !== undefined && wanted !== crc.of(whole))
          return refuse(res, 400, 'BadDigest');
        uploads.delete(id);
        objects.set(key, whole);
        metadata.set(key, upload.headers);
        const told = upload.hasCrc ? `<ChecksumCRC64NVME>${crc.of(whole)}</ChecksumCRC64NVME>` : '';
        return xml(res, `<CompleteMultipartUploadResult><ETag>"0-1"</ETag>${told}</CompleteMultipartUploadResult>`);
      }
    }
  };

  const answerObject = (req: IncomingMessage, res: ServerResponse, key: string, body: Buffer): void => {
    if (req.method === 'PUT') {
      objects.set(key, bucket.damage('PUT', body));
      metadata.set(key, keptOf(req));
    }
    const bytes = objects.get(key);
    if (!bytes) return refuse(res, 404, 'NoSuchKey');
    const length = req.method === 'PUT' ? 0 : bytes.length;
    res.writeHead(200, {
      ...metadata.get(key),
      ...crcOf(req, bytes),
      ETag: `"${etagOf(bytes)}"`,
      'Content-Length': length,
    });
    res.end(req.method === 'GET' ? bytes : undefined);
  };

  const crcOf = (req: IncomingMessage, bytes: Buffer): Record<string, string> => {
    const isAsked = prefix === 'x-cos-' || req.method === 'PUT' || req.headers['x-amz-checksum-mode'] === 'ENABLED';
    return isAsked && !bucket.hidesCrc ? { [crc.header]: crc.of(bytes) } : {};
  };

  const keptOf = ({ headers }: IncomingMessage): Record<string, string> =>
    Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith(`${prefix}meta-`) && typeof value === 'string' ? [[name, value]] : [],
      ),
    );

  const pageAfter = ({ parts }: BucketUpload, marker: number): string => {
    const all = [...parts].filter(([number]) => number > marker).sort(([one], [other]) => one - other);
    const page = all.slice(0, PAGE);
    const rows = page.map(
      ([number, bytes]) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${etagOf(bytes)}&quot;</ETag><Size>${bytes.length}</Size></Part>`,
    );
    const next = `<IsTruncated>${all.length > PAGE}</IsTruncated><NextPartNumberMarker>${page.at(-1)?.[0] ?? 0}</NextPartNumberMarker>`;
    return `<ListPartsResult>${next}${rows.join('')}</ListPartsResult>`;
  };

  const server = createServer((req, res) => {
    answer(req, res).catch((error) => req.destroyed || refuse(res, 500, 'InternalError', String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bucket: Bucket = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    uploads,
    requests,
    sent,
    ...unspoilt(),
    reset() {
      for (const one of [objects, metadata, uploads]) one.clear();
      for (const one of [requests, sent]) one.length = 0;
      Object.assign(bucket, unspoilt());
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return bucket;
}

function unspoilt(): Pick<Bucket, 'fault' | 'damage' | 'hidesCrc' | 'seals'> {
  return { fault: () => undefined, damage: (_request, bytes) => bytes, hidesCrc: false, seals: false };
}

/** CRC-64/XZ in decimal as COS tells it, and CRC-64/NVME in base64 as S3 does. */
export async function startCrc64(prefix: string): Promise<{ readonly header: string; of(bytes: Uint8Array): string }> {
  const isCos = prefix === 'x-cos-';
  const hash = await createCRC64(isCos ? 'c96c5795d7870f42' : '9a6c9329ac4bc9b5');
  return {
    header: isCos ? 'x-cos-hash-crc64ecma' : 'x-amz-checksum-crc64nvme',
    of(bytes: Uint8Array): string {
      const hex = hash.init().update(bytes).digest('hex');
      return isCos ? BigInt(`0x${hex}`).toString() : Buffer.from(hex, 'hex').toString('base64');
    },
  };
}

/** Lets pages of all origins do everything and read these headers. @returns whether that was all they asked for */
export function answerPage({ method }: IncomingMessage, res: ServerResponse, shown: readonly string[]): boolean {
  res.setHeader('Access-Control-Allow-Origin', '*');
  res.setHeader('Access-Control-Expose-Headers', shown.join(', '));
  if (method !== 'OPTIONS') return false;
  res.writeHead(200, {
    'Access-Control-Allow-Methods': 'GET, HEAD, PUT, POST, DELETE',
    'Access-Control-Allow-Headers': '*, Authorization',
    'Access-Control-Max-Age': '600',
  });
  res.end();
  return true;
}

function xml(res: ServerResponse, body: string): void {
  res.writeHead(200, { 'Content-Type': 'application/xml' }).end(body);
}

function refuse(res: ServerResponse, status: number, code: string, message = 'no'): void {
  res.writeHead(status, { 'Content-Type': 'application/xml' });
  res.end(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}
