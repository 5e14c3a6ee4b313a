// @ts-check

/**
 * What is mutated, room by room, and the tests that a mistake has to get past.
 *
 * @type {Readonly<Record<string, { readonly dir: string, readonly files: readonly string[], readonly tests: readonly string[] }>>}
 */
export const ROOMS = {
  exchange: {
    dir: 'packages/core/src/exchange',
    files: ['judge'],
    tests: ['packages/core/src/exchange/*.test.ts'],
  },
  upload: {
    dir: 'packages/core/src/upload',
    files: [
      'detours',
      'failing',
      'listed',
      'opening',
      'plan',
      'progress',
      'sending',
      'slices',
      'state',
      'steps',
      'tags',
      'tally',
      'transition',
      'view',
      'when-taken',
    ],
    tests: ['packages/core/src/upload/!(table).test.ts'],
  },
  // Its files that wait: for requests, files, clocks.
  'upload-waiting': {
    dir: 'packages/core/src/upload',
    files: ['create-upload', 'guard', 'notifier', 'reconciler', 'recorder', 'start-upload', 'tasks'],
    tests: ['packages/core/src/upload/!(table).test.ts'],
  },
  signing: {
    dir: 'packages/core/src/signing',
    files: ['signature', 'cos-signature', 'sig-v4', 'create-signer', 'hash'],
    tests: ['packages/core/src/signing/*.test.ts'],
  },
  'json-api': {
    dir: 'packages/core/src/protocol/json-api',
    files: ['codes', 'decode', 'decode-objects', 'straight', 'json', 'lean', 'xml-error', 'target'],
    tests: ['packages/core/src/protocol/json-api/*.test.ts', 'packages/core/src/objects/*.test.ts'],
  },
  xml: {
    dir: 'packages/core/src/protocol/xml',
    files: ['codes', 'reader', 'refusals', 'sessions'],
    tests: ['packages/core/src/protocol/xml/*.test.ts'],
  },
  'server-signature': {
    dir: 'packages/server/src/signature',
    files: ['signature', 'verified', 'once', 'once-files'],
    tests: ['packages/server/src/signature/*.test.ts', 'packages/server/src/authorisation.test.ts'],
  },
  'server-form': {
    dir: 'packages/server/src/form',
    files: ['given', 'multipart', 'read-form'],
    tests: ['packages/server/src/form/*.test.ts', 'packages/server/src/frameworks.test.ts'],
  },
};

/** Paths of a room's sources that have a text in them. @param {string} room @param {string} only */
export function sourcesOf(room, only) {
  const { dir, files } = ROOMS[room] ?? { dir: '', files: [] };
  return files.map((file) => `${dir}/${file}.ts`).filter((path) => path.includes(only));
}
