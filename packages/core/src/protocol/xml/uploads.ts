import type { WireRequest, WireResponse } from '../../ports.ts';
import type { Failure, Operation, OperationName, Reply, StoredRange } from '../operations.ts';
import { failed } from '../responses.ts';
import { childrenOf, readXml, textOf, type XmlElement } from './reader.ts';
import { type Refusal, refusalOf } from './refusals.ts';
import {
  checksumMode,
  crc64Headers,
  crc64Of,
  creatingHeaders,
  type Dialect,
  type Handler,
  isSealed,
  locationAt,
  looksFirst,
  markHeader,
  md5In,
  md5Of,
  toBase64,
  unusable,
  withQuery,
} from './requests.ts';
import { xmlElement } from './writer.ts';

const PAGE = 1000;
const MAX_PARTS = 10_000;
/** Why finish may be refused that a look at the parts can mend. */
const OTHER_PARTS: ReadonlySet<string> = new Set(['InvalidPart', 'InvalidPartOrder', 'EntityTooSmall']);
const SIZE = /^\d+$/;

interface Part {
  readonly number: number;
  readonly sizeBytes: number;
  readonly tag: string;
}

/** Parts of the pages so far, and where the next one begins. */
interface Pages {
  readonly parts: readonly Part[];
  readonly marker: number;
}

/** What a list has come to: pages, or the end of an upload whose object is looked for. */
type Listing = Pages | 'look' | undefined;
/** What finish has come to: pages of parts whose tags are not known here, or all of them. */
type Finishing = Pages | { readonly tags: readonly string[] } | 'look' | undefined;

/** Of a session whose parts are encrypted so that their ETags are no MD5s: a list of them does not say so. */
const SEALED = 'sealed';

/**
 * Uploads in parts (`docs/wires.md`). The session is the upload's id, the mark of what it makes, and whether that is sealed; a
 * slice's tag is its ETag.
 */
export function uploadHandlers(dialect: Dialect): { readonly [Op in OperationName]: Handler<Op> } {
  const { profile } = dialect;
  return {
    init: {
      encode(operation, at) {
        if (operation.more === undefined && looksFirst(dialect, 'init', operation)) return look(at);
        const headers = { ...creatingHeaders(dialect, 'init', operation), ...crc64Headers(profile, operation.crc64) };
        return { method: 'POST', url: withQuery(at, { uploads: '' }), headers };
      },
      decode(operation, response, at): Reply<'init'> {
        if (operation.more === undefined && looksFirst(dialect, 'init', operation)) {
          // Who may not look may yet send.
          return response.status === 200 ? existing(operation, response, at) : { kind: 'more', more: 'create' };
        }
        const root = readXml(response.body);
        const refusal = refusalOf(response, root);
        if (refusal) return refusal;
        const id = textOf(root, 'UploadId') || textOf(root, 'UploadID');
        if (id === '') return unusable('UploadId', response);
        return {
          kind: 'opened',
          session: [id, operation.mark ?? '', isSealed(profile, response) ? SEALED : ''].join(' ').trimEnd(),
          sliceSizeBytes: operation.sliceSizeBytes,
          serial: false,
          sessionDelete: true,
        };
      },
    },

    list: {
      encode({ session, more, crc64 }, at) {
        const listing = more as Listing;
        return session === undefined || listing === 'look' ? lookAt(at, crc64) : pageOf(session, listing, at);
      },
      decode({ session, sliceSizeBytes, more, crc64 }, response, at): Reply<'list'> {
        const listing = more as Listing;
        if (session === undefined || listing === 'look') {
          if (response.status === 404) return { kind: 'absent' };
          const refusal = refusalOf(response);
          return refusal ?? madeIn(session, crc64, response, at);
        }
        const pages = readPage(response, listing);
        if (pages.kind === 'more') return pages;
        if (pages.kind === 'failed') {
          return isGone(pages) ? { kind: 'more', more: 'look' } : pages;
        }
        // Which bytes a part has, only the size of the parts before it tells: it was remembered with the session.
        const step = sliceSizeBytes ?? pages.parts.find(({ number }) => number === 1)?.sizeBytes ?? 0;
        const [, , sealed] = session.split(' ');
        const stored = pages.parts.map(({ number, sizeBytes, tag }): StoredRange => {
          const md5 = sealed ? undefined : md5In(profile, tag);
          return { offset: (number - 1) * step, length: sizeBytes, tag, md5 };
        });
        return { kind: 'listed', session, sliceSizeBytes: step, serial: false, sessionDelete: true, stored };
      },
    },

    slice: {
      encode({ session, index, range, sizeBytes = 0, content, md5, crc64 }, at) {
        const headers = {
          ...(md5 !== undefined && { 'Content-MD5': toBase64(md5) }),
          ...crc64Headers(profile, crc64),
        };
        const bytesAfter = Math.max(0, sizeBytes - range.offset - range.length);
        return {
          method: 'PUT',
          url: withQuery(at, { partNumber: index + 1, uploadId: idOf(session) }),
          headers,
          content: { name: '', body: content, sizeBytes: range.length, bytesAfter },
        };
      },
      decode(operation, response) {
        const error = refusalOf(response);
        if (error) return isGone(error) ? { kind: 'session-gone', error: error.error } : error;
        return spoilt(operation, response) ?? { kind: 'stored', tag: response.header('etag') ?? '' };
      },
    },

    finish: {
      encode(operation, at) {
        const { session, crc64, sizeBytes } = operation;
        if (operation.more === 'look') return lookAt(at, crc64);
        const tags = tagsOf(operation);
        if (!tags) return pageOf(session, operation.more as Pages | undefined, at);
        const parts = tags.map((tag, index) =>
          xmlElement('Part', [xmlElement('PartNumber', String(index + 1)), xmlElement('ETag', tag)]),
        );
        return {
          method: 'POST',
          url: withQuery(at, { uploadId: idOf(session) }),
          headers: {
            'Content-Type': 'application/xml',
            ...creatingHeaders(dialect, 'finish', operation),
            ...wholeHeaders(crc64, sizeBytes),
          },
          text: xmlElement('CompleteMultipartUpload', parts),
        };
      },
      decode(operation, response, at): Reply<'finish'> {
        const { crc64 } = operation;
        if (operation.more === 'look') {
          const { location } = found(response, at);
          return refusalOf(response) ?? damaged(crc64, response) ?? { kind: 'present', location };
        }
        const root = readXml(response.body);
        if (!tagsOf(operation)) {
          const pages = readPage(response, operation.more as Pages | undefined);
          if (pages.kind === 'more') return pages;
          if (pages.kind === 'failed') return ended(pages) ?? pages;
          const tags = tagsIn(pages.parts, operation);
          if (tags) return { kind: 'more', more: { tags } };
          const what = 'the server does not list the parts as they were sent';
          return { kind: 'incomplete', error: failed(response, 'bad-reply', what).error };
        }
        const refusal = refusalOf(response, root);
        // What was stored differs from what was sent, and the server has noticed: that does not pass.
        if (refusal?.wireCode === 'BadDigest') return isDamaged(response);
        if (refusal) return ended(refusal) ?? refusal;
        // A 200 is sent before the parts have been put together: only the result at its end says that they are.
        const isResult = root?.name === 'CompleteMultipartUploadResult';
        if (!isResult || (profile.finishEtag && textOf(root, 'ETag') === '')) {
          return unusable('result of putting the parts together', response);
        }
        // Not every server tells it before the parts have been put together, which is when it answers.
        const told = textOf(root, 'ChecksumCRC64NVME') || tellsOf(response);
        if (crc64 !== undefined && !told) return { kind: 'more', more: 'look' };
        return damaged(crc64, response, told) ?? { kind: 'present', location: locationAt(at) };
      },
    },

    single: {
      encode<C>(operation: Operation<C, 'single'>, at: string): WireRequest<C> {
        if (operation.more === 'look') return lookAt<C>(at, operation.crc64);
        if (operation.more === undefined && looksFirst(dialect, 'single', operation)) return look<C>(at);
        const { content, sizeBytes, md5, crc64 } = operation;
        const headers = {
          ...(md5 !== undefined && { 'Content-MD5': toBase64(md5) }),
          ...crc64Headers(profile, crc64),
          ...creatingHeaders(dialect, 'single', operation),
        };
        return { method: 'PUT', url: at, headers, content: { name: '', body: content, sizeBytes } };
      },
      decode(operation, response, at): Reply<'single'> {
        const { more, crc64 } = operation;
        if (more === 'look' || (more === undefined && looksFirst(dialect, 'single', operation))) {
          if (response.status === 200) {
            const there = existing(operation, response, at);
            return (there.kind === 'present' ? damaged(crc64, response) : undefined) ?? there;
          }
          if (more !== 'look') return { kind: 'more', more: 'put' };
          return (response.status >= 500 ? refusalOf(response) : undefined) ?? exists(response);
        }
        const refusal = refusalOf(response);
        // An attempt before this one may have made it.
        if (refusal?.error.code === 'exists') return { kind: 'more', more: 'look' };
        const wrong = refusal ?? spoilt(operation, response);
        if (!wrong && crc64 !== undefined && !tellsOf(response)) return { kind: 'more', more: 'look' };
        return wrong ?? { kind: 'present', location: locationAt(at) };
      },
    },

    discard: {
      encode: ({ session = '' }, at) => ({ method: 'DELETE', url: withQuery(at, { uploadId: idOf(session) }) }),
      decode(_operation, response) {
        const refusal = refusalOf(response);
        return !refusal || isGone(refusal) ? { kind: 'discarded' } : refusal;
      },
    },
  };

  /** What is in the way, unless an attempt of our own has made it, whose answer was lost. */
  function existing({ mark }: { readonly mark?: string | undefined }, response: WireResponse, at: string) {
    return mark && markOf(response) === mark ? found(response, at) : exists(response);
  }

  /** The session that has made what is there, where the server keeps marks and lets them be seen. */
  function makerOf(session: string | undefined, response: WireResponse): string | undefined {
    const mark = markOf(response);
    const [, own] = session?.split(' ') ?? [];
    if (mark === undefined || !own) return undefined;
    return mark === own ? session : '';
  }

  /** What a look finds where a session may have made something, which must have this CRC-64 if it is known. */
  function madeIn(
    session: string | undefined,
    crc64: string | undefined,
    response: WireResponse,
    at: string,
  ): Reply<'list'> {
    const madeBy = makerOf(session, response);
    const there = { ...found(response, at), madeBy };
    if (session === undefined || crc64 === undefined || madeBy === '') return there;
    const wrong = damaged(crc64, response);
    if (!wrong) return { ...there, madeBy: session };
    // Where nobody tells who has made it, another content is somebody else's.
    return madeBy === undefined && wrong.error.code === 'integrity' ? { ...there, madeBy: '' } : wrong;
  }

  /** Looks at an object, and asks for its CRC-64 where that has to be right. */
  function lookAt<C>(at: string, crc64: string | undefined): WireRequest<C> {
    return crc64 === undefined ? look(at) : { ...look(at), headers: checksumMode(profile) };
  }

  function wholeHeaders(crc64: string | undefined, sizeBytes: number): Record<string, string> {
    if (!crc64 || !profile.crc64?.sent) return {};
    return {
      ...crc64Headers(profile, crc64),
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-mp-object-size': String(sizeBytes),
    };
  }

  function tellsOf(response: WireResponse): string | undefined {
    return profile.crc64 && response.header(profile.crc64.header);
  }

  /** What is wrong with the CRC-64 of an object that should have this one. */
  function damaged(crc64: string | undefined, response: WireResponse, told = tellsOf(response)): Failure | undefined {
    const stored = crc64Of(profile, told);
    if (crc64 === undefined || stored === crc64) return undefined;
    if (stored !== undefined) return isDamaged(response);
    const what = `the server does not tell the CRC-64 of the object: let pages see ${profile.crc64?.header} (CORS), or use integrity 'md5'`;
    return failed(response, 'bad-reply', what, { remedy: 'none' });
  }

  function isDamaged(response: WireResponse): Failure {
    const what = 'the object is not what was sent, by its CRC-64: look for what damages bytes, and upload it again';
    return failed(response, 'integrity', what, { remedy: 'none' });
  }

  function markOf(response: WireResponse): string | undefined {
    return response.header(markHeader(profile));
  }

  /** Bytes that have an MD5 or a CRC-64 are stored with another one. */
  function spoilt(
    { md5, crc64 }: { readonly md5?: string | undefined; readonly crc64?: string | undefined },
    response: WireResponse,
  ) {
    const differs = (sent: string | undefined, stored: string | undefined): boolean =>
      sent !== undefined && stored !== undefined && stored !== sent;
    if (!differs(md5, md5Of(profile, response)) && !differs(crc64, crc64Of(profile, tellsOf(response))))
      return undefined;
    return failed(response, 'integrity', 'the bytes are stored differently from how they were sent');
  }
}

/** Without the mark that a session has behind it. */
function idOf(session: string): string {
  return session.replace(/ .*/, '');
}

function found(response: WireResponse, at: string) {
  return { kind: 'present' as const, location: locationAt(at), sizeBytes: sizeOf(response) };
}

function look<C>(at: string): WireRequest<C> {
  return { method: 'HEAD', url: at };
}

export function exists(response: WireResponse): Failure {
  return failed(response, 'exists', 'an object is at the path already: choose another one or overwrite', {
    remedy: 'none',
  });
}

export function sizeOf(response: WireResponse): number | undefined {
  return sizeIn(response.header('content-length') ?? '');
}

export function sizeIn(text: string): number | undefined {
  return SIZE.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

function pageOf<C>(session: string, pages: Pages | undefined, at: string): WireRequest<C> {
  const marker = pages?.marker;
  const query = { 'max-parts': PAGE, 'part-number-marker': marker, uploadId: idOf(session) };
  return { method: 'GET', url: withQuery(at, query) };
}

/** All parts once there are no more pages. */
function readPage(response: WireResponse, before: Pages | undefined) {
  const root = readXml(response.body);
  const refusal = refusalOf(response, root);
  if (refusal) return refusal;
  const parts = childrenOf(root, 'Part').map(readPart);
  if (root?.name !== 'ListPartsResult' || parts.includes(undefined)) {
    return noList(response);
  }
  const all = [...(before?.parts ?? []), ...(parts as Part[])];
  if (textOf(root, 'IsTruncated') !== 'true') return { kind: 'parts' as const, parts: all };
  const marker = Number(textOf(root, 'NextPartNumberMarker'));
  // Pages that lead nowhere must not be turned for ever.
  if (!(marker > (before?.marker ?? 0) && marker <= MAX_PARTS)) return noList(response);
  return { kind: 'more' as const, more: { parts: all, marker } satisfies Pages };
}

function noList(response: WireResponse): Refusal {
  return { ...unusable('list of parts', response), wireCode: '' };
}

function readPart(element: XmlElement): Part | undefined {
  const [number, size] = [textOf(element, 'PartNumber'), textOf(element, 'Size')];
  const part = { number: Number(number), sizeBytes: sizeIn(size), tag: textOf(element, 'ETag') };
  // No server has others, and slices are kept in memory by their numbers.
  const isPart = SIZE.test(number) && part.number >= 1 && part.number <= MAX_PARTS;
  return isPart && part.sizeBytes !== undefined ? { ...part, sizeBytes: part.sizeBytes } : undefined;
}

/** The tags that finish brings, once all are known. Pages do not get to see those that CORS hides. */
function tagsOf<C>({ tags, more }: Operation<C, 'finish'>): readonly string[] | undefined {
  const listed = more as Finishing;
  if (typeof listed === 'object' && 'tags' in listed) return listed.tags;
  return tags?.every((tag) => tag !== '') ? tags : undefined;
}

/** The tags of all parts, those that are known here first; undefined where they are not the parts of the upload. */
function tagsIn<C>(listed: readonly Part[], { tags, sizeBytes }: Operation<C, 'finish'>): string[] | undefined {
  const byNumber = new Map(listed.map((part) => [part.number, part]));
  const all: string[] = [];
  let bytes = 0;
  for (let index = 0; index < (tags?.length ?? listed.length); index += 1) {
    const part = byNumber.get(index + 1);
    if (!part) return undefined;
    all.push(tags?.[index] || part.tag);
    bytes += part.sizeBytes;
  }
  return bytes === sizeBytes ? all : undefined;
}

/** What a refused finish may mean. */
function ended(refusal: Refusal): Reply<'finish'> | undefined {
  const { error, wireCode } = refusal;
  if (isGone(refusal)) return { kind: 'session-gone', error };
  return OTHER_PARTS.has(wireCode) ? { kind: 'incomplete', error } : undefined;
}

/** The upload is not there any more. Ceph speaks of a key now and then, since it keeps the upload as one; some say only 404. */
function isGone({ wireCode, error }: Refusal): boolean {
  return wireCode === 'NoSuchUpload' || error.code === 'not-found';
}
