import type { WireRequest, WireResponse } from '../../ports.ts';
import type { Done } from '../object-operations.ts';
import type { Failure, More, Operation } from '../operations.ts';
import { failed } from '../responses.ts';
import { readXml, textOf } from './reader.ts';
import { refusalOf } from './refusals.ts';
import {
  attributesHeader,
  checksumMode,
  crc64Of,
  type Dialect,
  keepingHeaders,
  locationAt,
  md5Of,
  storedHeaders,
  unusable,
  withQuery,
} from './requests.ts';
import { exists, sizeOf } from './uploads.ts';
import { xmlElement } from './writer.ts';

const GIB = 1024 ** 3;
/** What one request copies; larger objects are copied in parts. */
const WHOLE_BYTES = 5 * GIB;
const PART_BYTES = GIB;
const MAX_PARTS = 10_000;

/** What is known of the source. */
interface Found {
  readonly sizeBytes: number;
  readonly etag: string | undefined;
  /** What is stored with the object: one request copies it along, several have to be told. */
  readonly stored: Readonly<Record<string, string>>;
  /** What the server tells of its bytes, each where it does. */
  readonly digests: readonly (string | undefined)[];
}

/** How far a copy has come. */
type Step =
  | (Found & {
      readonly to: 'look' | 'copy' | 'init';
      /** The copy has been asked for: what is there may be it. */
      readonly sent?: boolean;
    })
  | {
      readonly to: 'part' | 'compare' | 'finish';
      readonly sizeBytes: number;
      readonly etag: string | undefined;
      readonly session: string;
      readonly tags: readonly string[];
    }
  | { readonly to: 'abort'; readonly session: string };

type Transfer<C> = Operation<C, 'copy' | 'move'>;

/** Copies an object, within its bucket or into another one of the server: looks for it, looks whether something is in the way, and copies it whole or in parts. */
export function copyHandler({ profile, urlOf, placeOf, sourceOf }: Dialect): {
  encode<C>(operation: Transfer<C>, at: string): WireRequest<C>;
  decode<C>(operation: Transfer<C>, response: WireResponse, at: string): Done | More | Failure;
} {
  const copied = (at: string): Record<string, string> => {
    return { [`${profile.prefix}copy-source`]: sourceOf(decodeURIComponent(at.slice(urlOf('').length))) };
  };

  /** Where it has to be told whether two objects have the same bytes, all that the server tells of them is asked for. */
  const look = <C>(url: string, compares: boolean): WireRequest<C> => {
    return compares ? { method: 'HEAD', url, headers: checksumMode(profile) } : { method: 'HEAD', url };
  };
  const found = (response: WireResponse): Found => ({
    sizeBytes: sizeOf(response) ?? 0,
    etag: response.header('etag'),
    stored: storedHeaders(response, attributesHeader(profile)),
    digests: [
      md5Of(profile, response),
      crc64Of(profile, profile.crc64 && response.header(profile.crc64.header)),
      profile.multipartEtag ? response.header('etag') : undefined,
    ],
  });

  return {
    encode({ to, more, overwrite, again = false }, at) {
      const step = more as Step | undefined;
      const target = placeOf(to);
      switch (step?.to) {
        case undefined:
          return look(at, again);
        case 'look':
          return look(target, again);
        case 'copy':
          return {
            method: 'PUT',
            url: target,
            headers: { ...copied(at), ...keepingHeaders(profile, 'copy', overwrite) },
          };
        case 'init': {
          const headers = { ...step.stored, ...keepingHeaders(profile, 'init', overwrite) };
          return { method: 'POST', url: withQuery(target, { uploads: '' }), headers };
        }
        case 'part': {
          const { tags, sizeBytes, session } = step;
          const first = tags.length * partBytes(sizeBytes);
          const last = Math.min(first + partBytes(sizeBytes), sizeBytes) - 1;
          const headers = { ...copied(at), [`${profile.prefix}copy-source-range`]: `bytes=${first}-${last}` };
          return {
            method: 'PUT',
            url: withQuery(target, { partNumber: tags.length + 1, uploadId: session }),
            headers,
          };
        }
        case 'compare':
          return look(at, false);
        case 'finish': {
          const parts = step.tags.map((tag, index) =>
            xmlElement('Part', [xmlElement('PartNumber', String(index + 1)), xmlElement('ETag', tag)]),
          );
          return {
            method: 'POST',
            url: withQuery(target, { uploadId: step.session }),
            headers: { 'Content-Type': 'application/xml', ...keepingHeaders(profile, 'finish', overwrite) },
            text: xmlElement('CompleteMultipartUpload', parts),
          };
        }
        case 'abort':
          return { method: 'DELETE', url: withQuery(target, { uploadId: step.session }) };
      }
    },

    decode({ to, more, overwrite, again }, response) {
      const step = more as Step | undefined;
      if (step?.to === 'look' && response.status === 404) return step.sent ? exists(response) : begin(step);
      const root = readXml(response.body);
      const refusal = refusalOf(response, root);
      // Browsers and proxies send a request again by themselves, too: the first one may have made it.
      if (refusal?.error.code === 'exists' && step?.to === 'copy') return next({ ...step, to: 'look', sent: true });
      // One that was not heard of, or that may be tried again, may still come to its end.
      if (refusal?.error.remedy === 'none' && step?.to === 'finish') return { ...refusal, undo: abort(step) };
      if (refusal) return refusal;
      const location = locationAt(placeOf(to));
      switch (step?.to) {
        case undefined: {
          const source = found(response);
          return overwrite ? begin(source) : next({ ...source, to: 'look' });
        }
        case 'look':
          // An attempt that was not heard of may have made it.
          return (again || step.sent) && isSame(step, found(response)) ? { kind: 'done', location } : exists(response);
        case 'copy':
          // A 200 is sent before the copy has been made, too.
          return textOf(root, 'ETag') ? { kind: 'done', location } : unusable('result of copying', response);
        case 'init': {
          const session = textOf(root, 'UploadId');
          if (session === '') return unusable('UploadId', response);
          const { sizeBytes, etag } = step;
          return next({ to: 'part', sizeBytes, etag, session, tags: [] });
        }
        case 'part': {
          const tag = textOf(root, 'ETag');
          if (tag === '') return unusable('result of copying a part', response);
          const tags = [...step.tags, tag];
          const isLast = tags.length * partBytes(step.sizeBytes) >= step.sizeBytes;
          return next({ ...step, to: isLast ? 'compare' : 'part', tags });
        }
        case 'compare': {
          // It may have been replaced between two parts.
          const { sizeBytes, etag } = found(response);
          if (sizeBytes === step.sizeBytes && etag === step.etag) return next({ ...step, to: 'finish' });
          return failed(response, 'source-changed', 'the object has changed while it was copied: run it again', {
            remedy: 'none',
          });
        }
        case 'abort':
          // Nothing goes on from here: a move would remove its source.
          return unusable('copy: it has been taken back', response);
        case 'finish':
          return textOf(root, 'ETag') ? { kind: 'done', location } : unusable('result of copying', response);
      }
    },
  };
}

function begin(source: Found): More {
  return next({ ...source, to: source.sizeBytes > WHOLE_BYTES ? 'init' : 'copy' });
}

/** Known to have the same bytes: the same size proves nothing. */
function isSame(one: Found, other: Found): boolean {
  if (one.sizeBytes !== other.sizeBytes) return false;
  return one.digests.some((digest, index) => digest !== undefined && digest === other.digests[index]);
}

function next(more: Step): More {
  return { kind: 'more', more, undo: more.to === 'part' || more.to === 'compare' ? abort(more) : undefined };
}

function abort({ session }: { readonly session: string }): Step {
  return { to: 'abort', session };
}

function partBytes(sizeBytes: number): number {
  return Math.max(PART_BYTES, Math.ceil(sizeBytes / MAX_PARTS));
}
