import { createHash } from 'node:crypto';
import type { Profile } from '@cos-slice/core';
import type { SimulatedRequest, SimulatedResponse } from './pair.ts';
import { objectPathOf, readAuthorization } from './speech.ts';
import type { World } from './world/world.ts';

interface Part {
  readonly bytes: Buffer;
  readonly etag: string;
}

interface Entity extends Part {
  readonly metadata: Metadata;
}

type Metadata = Readonly<Record<string, string>>;

interface Unfinished {
  readonly path: string;
  readonly metadata: Metadata;
  readonly parts: Map<number, Part>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** What a request asks for. */
interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** An object storage that clients speak to themselves, by one of the XML APIs. Its gateways die; what is stored stays. */
export interface ObjectGateway {
  /** Told of every object that has changed. */
  onChange: (path: string, bytes: Buffer | undefined) => void;
  /** Answers as a server does: it never rejects. */
  handle(request: SimulatedRequest, response: SimulatedResponse): Promise<void>;
  /** Ends the unfinished uploads at a path, as rules of a bucket do. */
  drop(path: string): void;
  heal(): void;
}

const CALL_MS = 8;
/** As AWS has it. */
const MAX_SKEW_MS = 15 * 60_000;
const PAGE = 4;

const md5 = (bytes: Uint8Array, encoding: 'hex' | 'base64' = 'hex'): string =>
  createHash('md5').update(bytes).digest(encoding);

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

/** @param failing the share of calls that fail, before or after they have acted */
export function createObjectGateway(world: World, profile: Profile, failing: number): ObjectGateway {
  const { random } = world;
  const objects = new Map<string, Entity>();
  const uploads = new Map<string, Unfinished>();
  let isWell = false;

  /** Asks the storage behind. What it is asked may have been done although it fails. */
  async function call<T>(act: () => T): Promise<T> {
    const process = world.current;
    const fail = (): void => {
      if (isWell || !random.chance(failing / 2)) return;
      throw random.chance(0.5) ? new Refusal(503, 'SlowDown') : new Refusal(500, 'InternalError');
    };
    const result = await world.call(process, random.next() * CALL_MS, () => {
      fail();
      return act();
    });
    return world.call(process, random.next() * CALL_MS, () => {
      fail();
      return result;
    });
  }

  function put(path: string, object: Entity): void {
    objects.set(path, object);
    gateway.onChange(path, object.bytes);
  }

  function mustNotReplace({ headers, path }: Asked, creating: 'single' | 'init' | 'finish'): void {
    const [name] = profile.keep.header;
    if (!headers[name.toLowerCase()] || !profile.keep.honouredOn.includes(creating) || !objects.has(path)) return;
    throw name === 'If-None-Match' ? new Refusal(412, 'PreconditionFailed') : new Refusal(409, 'FileAlreadyExists');
  }

  function unfinished({ query, path }: Asked): Unfinished {
    const upload = uploads.get(query.get('uploadId') ?? '');
    if (upload?.path !== path) throw new Refusal(404, 'NoSuchUpload');
    return upload;
  }

  function received({ headers, body }: Asked): Part {
    const told = headers['content-md5'];
    if (told !== undefined && told !== md5(body, 'base64')) throw new Refusal(400, 'BadDigest');
    return { bytes: body, etag: `"${md5(body)}"` };
  }

  function metadataOf({ headers }: Asked): Metadata {
    return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(`${profile.prefix}meta-`)));
  }

  /** The object's facts or its content. */
  function read({ path, method }: Asked): Answer {
    const object = objects.get(path);
    if (!object) throw new Refusal(404, 'NoSuchKey');
    const headers = { ...object.metadata, etag: object.etag, 'content-length': String(object.bytes.length) };
    return { status: 200, headers, ...(method === 'GET' && { body: object.bytes }) };
  }

  function open(asked: Asked): Answer {
    mustNotReplace(asked, 'init');
    const id = random.bytes(8).toString('hex');
    uploads.set(id, { path: asked.path, metadata: metadataOf(asked), parts: new Map() });
    return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }

  function storePart(asked: Asked): Answer {
    const part = received(asked);
    unfinished(asked).parts.set(Number(asked.query.get('partNumber')), part);
    return { status: 200, headers: { etag: part.etag } };
  }

  function listParts(asked: Asked): Answer {
    const after = Number(asked.query.get('part-number-marker') ?? 0);
    const rows = [...unfinished(asked).parts].filter(([number]) => number > after).sort(([a], [b]) => a - b);
    const page = rows.slice(0, PAGE);
    const isTruncated = page.length < rows.length;
    const parts = page.map(
      ([number, { etag, bytes }]) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag><Size>${bytes.length}</Size></Part>`,
    );
    const next = isTruncated ? `<NextPartNumberMarker>${page.at(-1)?.[0]}</NextPartNumberMarker>` : '';
    return xml(`<ListPartsResult><IsTruncated>${isTruncated}</IsTruncated>${next}${parts.join('')}</ListPartsResult>`);
  }

  function finish(asked: Asked): Answer {
    const { parts, metadata } = unfinished(asked);
    const named = [...asked.body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>(.*?)<\/ETag>/g)];
    const chosen = named.map(([, number, etag]) => {
      const part = parts.get(Number(number));
      if (part?.etag !== etag?.replaceAll('&quot;', '"')) throw new Refusal(400, 'InvalidPart');
      return part as Part;
    });
    if (chosen.length === 0) throw new Refusal(400, 'MalformedXML');
    if (chosen.slice(0, -1).some(({ bytes }) => bytes.length < profile.minPartBytes)) {
      throw new Refusal(400, 'EntityTooSmall');
    }
    mustNotReplace(asked, 'finish');
    uploads.delete(asked.query.get('uploadId') ?? '');
    const etag = `"${md5(Buffer.concat(chosen.map((part) => Buffer.from(part.etag))))}-${chosen.length}"`;
    put(asked.path, { bytes: Buffer.concat(chosen.map(({ bytes }) => bytes)), etag, metadata });
    // While parts are put together, blanks keep the connection.
    return xml(`  <CompleteMultipartUploadResult><ETag>${etag}</ETag></CompleteMultipartUploadResult>`);
  }

  function act(asked: Asked): Answer {
    const { method, query, path } = asked;
    if (query.has('uploads')) return open(asked);
    if (query.has('partNumber')) return storePart(asked);
    if (query.has('uploadId')) {
      if (method === 'GET') return listParts(asked);
      if (method === 'POST') return finish(asked);
      unfinished(asked);
      uploads.delete(query.get('uploadId') ?? '');
      return { status: 204 };
    }
    if (method !== 'PUT') return read(asked);
    const object = received(asked);
    mustNotReplace(asked, 'single');
    put(path, { ...object, metadata: metadataOf(asked) });
    return { status: 200, headers: { etag: object.etag } };
  }

  function authorize({ headers, method, path }: Asked): void {
    const signed = readAuthorization(headers.authorization);
    if (signed?.method !== method || signed.path !== path) throw new Refusal(403, 'SignatureDoesNotMatch');
    const nowMs = world.wallMs();
    if (Math.abs(signed.atMs - nowMs) > MAX_SKEW_MS) throw new Refusal(403, 'RequestTimeTooSkewed');
    if (signed.endsAtMs < nowMs) throw new Refusal(400, 'ExpiredToken');
  }

  const gateway: ObjectGateway = {
    onChange: () => {},
    async handle(request, response) {
      const date = new Date(world.wallMs()).toUTCString();
      const body = await bodyOf(request);
      if (!body) return;
      const { searchParams: query } = new URL(request.url);
      const path = objectPathOf(request.url);
      const asked: Asked = { method: request.method, path, query, headers: request.headers, body };
      let answer: Answer;
      try {
        authorize(asked);
        answer = await call(() => act(asked));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        // Servers that have begun to answer with blanks can say only in the body that they have failed.
        const hasBegun =
          error.status >= 500 && request.method === 'POST' && query.has('uploadId') && random.chance(0.5);
        answer = { ...xml(`<Error><Code>${error.code}</Code></Error>`), status: hasBegun ? 200 : error.status };
      }
      response.writeHead(answer.status, { date, ...answer.headers });
      response.end(request.method === 'HEAD' ? undefined : answer.body);
    },
    drop(path) {
      for (const [id, upload] of uploads) if (upload.path === path) uploads.delete(id);
    },
    heal() {
      isWell = true;
    },
  };
  return gateway;
}

function xml(body: string): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body };
}

/** Undefined when it broke off, which leaves nothing behind. */
async function bodyOf(request: SimulatedRequest): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    return undefined;
  }
  return request.complete ? Buffer.concat(chunks) : undefined;
}
