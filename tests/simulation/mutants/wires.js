// @ts-check
/** @import { Mutant } from './index.js' */

const xml = 'packages/core/src/protocol/xml';

/** Of what is spoken with object storages. @type {Mutant[]} */
export const wires = [
  {
    name: 'a list of parts ends with its first page',
    file: `${xml}/uploads.ts`,
    find: "if (textOf(root, 'IsTruncated') !== 'true') return { kind: 'parts' as const, parts: all };",
    replace: "return { kind: 'parts' as const, parts: all };",
  },
  {
    name: 'a 200 that has an error in it counts as done',
    file: `${xml}/uploads.ts`,
    find: "if (!isResult || (profile.finishEtag && textOf(root, 'ETag') === '')) {",
    replace: 'if (false) {',
    also: {
      find: 'if (refusal) return ended(refusal) ?? refusal;\n        // A 200',
      replace: 'if (refusal && response.status !== 200) return ended(refusal) ?? refusal;\n        // A 200',
    },
  },
  {
    name: 'parts are numbered from the session, not from their place',
    file: `${xml}/uploads.ts`,
    find: 'return { offset: (number - 1) * step, length',
    replace: 'return { offset: number * step, length',
  },
  {
    name: 'nobody looks where the server keeps nothing from being replaced',
    file: `${xml}/requests.ts`,
    find: 'return !overwrite && !profile.keep.honouredOn.includes(request);',
    replace: 'return false;',
  },
  {
    name: 'what may not replace anything does not say so',
    file: `${xml}/requests.ts`,
    find: '...keepingHeaders(profile, request, overwrite),',
    replace: '',
  },
  {
    name: 'an upload that the server does not know any more is called refused',
    file: `${xml}/uploads.ts`,
    find: "return wireCode === 'NoSuchUpload' || error.code === 'not-found';",
    replace: 'return false;',
  },
  {
    name: 'a finish for other parts is final',
    file: `${xml}/uploads.ts`,
    find: "return OTHER_PARTS.has(wireCode) ? { kind: 'incomplete', error } : undefined;",
    replace: 'return undefined;',
  },
  {
    name: 'parts are put together in the order in which they arrived',
    file: `${xml}/uploads.ts`,
    find: "if (tags) return { kind: 'more', more: { tags } };",
    replace: "if (tags) return { kind: 'more', more: { tags: tags.reverse() } };",
  },
  {
    name: 'the MD5 of what is sent is not told',
    file: `${xml}/uploads.ts`,
    find: "...(md5 !== undefined && { 'Content-MD5': toBase64(md5) }),\n          ...crc64Headers(profile, crc64),\n        };",
    replace: '...crc64Headers(profile, crc64),\n        };',
  },
  {
    name: 'credentials that have ended are final',
    file: `${xml}/codes.ts`,
    find: "ExpiredToken: ['signature-expired', 'the temporary credentials have ended, and fresh ones too', 'resign'],",
    replace: 'ExpiredToken: DENIED,',
  },
  {
    name: 'an object that was found after finish had been refused counts as ours',
    file: 'packages/core/src/upload/recorder.ts',
    find: 'save({ ...session, sha, finishing: false, name });',
    replace: 'save({ ...session, sha, finishing: true, name });',
  },
];
