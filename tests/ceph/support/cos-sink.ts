import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { refusalOf, refuse } from './cos-facade.ts';

const MIB = 1024 * 1024;
const PAGE = 1000;
const HEAD_BYTES = 8;

export interface SunkPart {
  readonly sizeBytes: number;
  readonly md5: string;
  /** Its first bytes. */
  readonly head: Buffer;
}

export interface CosSink {
  readonly endpoint: string;
  /** Parts of the upload that is not finished, by number. */
  readonly parts: ReadonlyMap<number, SunkPart>;
  /** Parts that have come, those that came again counted again. */
  readonly arrivals: number;
  /** Pages of parts that were asked for. */
  readonly pages: number;
  /** What the finished object is made of. */
  readonly object: readonly SunkPart[] | undefined;
  close(): Promise<void>;
}

/**
 * A bucket of COS that keeps of each part its size, its MD5 and its first bytes, so that an upload may be larger than the machine.
 * It has COS's limits (parts of 1 MiB at least, 10,000 of them, numbers that follow each other, pages of 1,000), and checks
 * signatures by the vendor's own code.
 */
export async function startCosSink(): Promise<CosSink> {
  const parts = new Map<number, SunkPart>();
  const state = { arrivals: 0, pages: 0, object: undefined as readonly SunkPart[] | undefined };
  const session = '1585130821cbb7';

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { pathname, searchParams: query, search } = new URL(req.url ?? '/', 'http://h');
    const { method = 'GET' } = req;
    const wrong = refusalOf(req, decodeURIComponent(pathname), query, req.headers.authorization ?? search.slice(1));
    if (wrong) return refuse(res, 403, ...wrong);
    const xml = (body: string): void => void res.writeHead(200, { 'Content-Type': 'application/xml' }).end(body);
    const isOther = query.has('uploadId') && query.get('uploadId') !== session;
    if (isOther) return refuse(res, 404, 'NoSuchUpload', 'no such upload');
    if (method === 'HEAD') return void res.writeHead(state.object ? 200 : 404).end();
    if (method === 'POST' && query.has('uploads')) {
      return xml(`<InitiateMultipartUploadResult><UploadId>${session}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (method === 'PUT' && query.has('partNumber')) return take(req, res, Number(query.get('partNumber')));
    if (method === 'GET' && query.has('uploadId')) return xml(pageAfter(Number(query.get('part-number-marker'))));
    if (method === 'POST' && query.has('uploadId')) return finish(res, await text(req), xml);
    return refuse(res, 501, 'NotImplemented', 'not here');
  };

  const take = async (req: IncomingMessage, res: ServerResponse, number: number): Promise<void> => {
    if (!(number >= 1 && number <= 10_000)) return refuse(res, 400, 'InvalidArgument', 'a number from 1 to 10000');
    const hash = createHash('md5');
    let sizeBytes = 0;
    let head = Buffer.alloc(0);
    for await (const chunk of req) {
      hash.update(chunk);
      if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)]);
      sizeBytes += chunk.length;
    }
    if (sizeBytes !== Number(req.headers['content-length'])) return refuse(res, 400, 'IncompleteBody', 'cut');
    const md5 = hash.digest('hex');
    const said = req.headers['content-md5'];
    if (said !== undefined && said !== Buffer.from(md5, 'hex').toString('base64')) {
      return refuse(res, 400, 'BadDigest', 'another MD5');
    }
    parts.set(number, { sizeBytes, md5, head });
    state.arrivals += 1;
    res.writeHead(200, { ETag: `"${md5}"` }).end();
  };

  const pageAfter = (marker: number): string => {
    state.pages += 1;
    const all = [...parts].filter(([number]) => number > marker).sort(([one], [other]) => one - other);
    const page = all.slice(0, PAGE);
    const rows = page.map(
      ([number, { sizeBytes, md5 }]) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${md5}&quot;</ETag><Size>${sizeBytes}</Size></Part>`,
    );
    const next = `<IsTruncated>${all.length > PAGE}</IsTruncated><NextPartNumberMarker>${page.at(-1)?.[0] ?? 0}</NextPartNumberMarker>`;
    return `<ListPartsResult>${next}${rows.join('')}</ListPartsResult>`;
  };

  const finish = (res: ServerResponse, body: string, xml: (body: string) => void): void => {
    const named = [...body.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>(.*?)<\/ETag>/g)];
    const object = named.flatMap(([, number]) => parts.get(Number(number)) ?? []);
    const isWhole = named.every(
      ([, number, tag], index) => Number(number) === index + 1 && tag?.includes(object[index]?.md5 ?? 'none'),
    );
    if (!isWhole || object.length !== named.length) return refuse(res, 400, 'InvalidPart', 'not what is here');
    if (object.slice(0, -1).some(({ sizeBytes }) => sizeBytes < MIB)) {
      return refuse(res, 400, 'EntityTooSmall', 'a part is below 1 MiB');
    }
    state.object = object;
    parts.clear();
    xml('<CompleteMultipartUploadResult><ETag>"0-1"</ETag></CompleteMultipartUploadResult>');
  };

  const server = createServer((req, res) => {
    answer(req, res).catch((error) => {
      // Whoever was killed sends no more.
      if (!req.destroyed) refuse(res, 500, 'InternalError', String(error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    parts,
    get arrivals() {
      return state.arrivals;
    },
    get pages() {
      return state.pages;
    },
    get object() {
      return state.object;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
