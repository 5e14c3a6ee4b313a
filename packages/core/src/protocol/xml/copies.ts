import type { WireRequest, WireResponse } from '../../ports.ts';
import type { Done } from '../object-operations.ts';
import type { Failure, More, Operation } from '../operations.ts';
import { readXml, textOf } from './reader.ts';
import { refusalOf } from './refusals.ts';
import { attributesHeader, type Dialect, locationAt, storedHeaders, unusable, withQuery } from './requests.ts';
import { exists, sizeOf } from './uploads.ts';
import { xmlElement } from './writer.ts';

const GIB = 1024 ** 3;
/** What one request copies; larger objects are copied in parts. */
const WHOLE_BYTES = 5 * GIB;
const PART_BYTES = GIB;
const MAX_PARTS = 10_000;

/** How far a copy has come. */
type Step =
  | {
      readonly to: 'look' | 'copy' | 'init';
      readonly sizeBytes: number;
      /** What is stored with the object: one request copies it along, several have to be told. */
      readonly stored: Readonly<Record<string, string>>;
    }
  | {
      readonly to: 'part' | 'finish';
      readonly sizeBytes: number;
      readonly session: string;
      readonly tags: readonly string[];
    };

type Transfer<C> = Operation<C, 'copy' | 'move'>;

/** Copies an object, within its bucket or into another one of the server: looks for it, looks whether something is in the way, and copies it whole or in parts. */
export function copyHandler({ profile, urlOf, placeOf, sourceOf }: Dialect): {
  encode<C>(operation: Transfer<C>, at: string): WireRequest<C>;
  decode<C>(operation: Transfer<C>, response: WireResponse, at: string): Done | More | Failure;
} {
  const copied = (at: string): Record<string, string> => {
    return { [`${profile.prefix}copy-source`]: sourceOf(decodeURIComponent(at.slice(urlOf('').length))) };
  };

  return {
    encode({ to, more }, at) {
      const step = more as Step | undefined;
      const target = placeOf(to);
      switch (step?.to) {
        case undefined:
          return { method: 'HEAD', url: at };
        case 'look':
          return { method: 'HEAD', url: target };
        case 'copy':
          return { method: 'PUT', url: target, headers: copied(at) };
        case 'init':
          return { method: 'POST', url: withQuery(target, { uploads: '' }), headers: step.stored };
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
        case 'finish': {
          const parts = step.tags.map((tag, index) =>
            xmlElement('Part', [xmlElement('PartNumber', String(index + 1)), xmlElement('ETag', tag)]),
          );
          return {
            method: 'POST',
            url: withQuery(target, { uploadId: step.session }),
            headers: { 'Content-Type': 'application/xml' },
            text: xmlElement('CompleteMultipartUpload', parts),
          };
        }
      }
    },

    decode({ to, more, overwrite }, response) {
      const step = more as Step | undefined;
      if (step?.to === 'look' && response.status === 404) return begin(step);
      const root = readXml(response.body);
      const refusal = refusalOf(response, root);
      if (refusal) return refusal;
      const location = locationAt(placeOf(to));
      switch (step?.to) {
        case undefined: {
          const stored = storedHeaders(response, attributesHeader(profile));
          const found = { sizeBytes: sizeOf(response) ?? 0, stored };
          return overwrite ? begin(found) : next({ ...found, to: 'look' });
        }
        case 'look':
          return exists(response);
        case 'copy':
          // A 200 is sent before the copy has been made, too.
          return textOf(root, 'ETag') ? { kind: 'done', location } : unusable('result of copying', response);
        case 'init': {
          const session = textOf(root, 'UploadId');
          if (session === '') return unusable('UploadId', response);
          return next({ to: 'part', sizeBytes: step.sizeBytes, session, tags: [] });
        }
        case 'part': {
          const tag = textOf(root, 'ETag');
          if (tag === '') return unusable('result of copying a part', response);
          const tags = [...step.tags, tag];
          const isLast = tags.length * partBytes(step.sizeBytes) >= step.sizeBytes;
          return next({ ...step, to: isLast ? 'finish' : 'part', tags });
        }
        case 'finish':
          return textOf(root, 'ETag') ? { kind: 'done', location } : unusable('result of copying', response);
      }
    },
  };
}

function begin({ sizeBytes, stored }: Pick<Step & { readonly to: 'copy' }, 'sizeBytes' | 'stored'>): More {
  return next({ to: sizeBytes > WHOLE_BYTES ? 'init' : 'copy', sizeBytes, stored });
}

function next(more: Step): More {
  return { kind: 'more', more };
}

function partBytes(sizeBytes: number): number {
  return Math.max(PART_BYTES, Math.ceil(sizeBytes / MAX_PARTS));
}
