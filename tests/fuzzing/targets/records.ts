import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeCheckpoint, encodeCheckpoint } from '../../../packages/node/src/hash-checkpoint.ts';
import { createFileResumeStore } from '../../../packages/node/src/resume-store.ts';
import { expect, type Target } from '../engine/target.ts';

const KEY = 'http://cos.test/files/v2/1/b/a';
const STATE = 'c2hhMQAA';
const record = (more: object): string =>
  JSON.stringify({
    version: 1,
    wire: 'cos-json',
    identity: 'i1',
    sizeBytes: 655360,
    sliceSizeBytes: 65536,
    session: 's1',
    sha: 'c'.repeat(40),
    savedAtMs: 4e12,
    overwrite: false,
    ...more,
  });
const TYPES = {
  version: ['number'],
  wire: ['string', 'undefined'],
  identity: ['string'],
  sizeBytes: ['number'],
  sliceSizeBytes: ['number'],
  session: ['string', 'undefined'],
  sha: ['string', 'undefined'],
  initCalled: ['boolean', 'undefined'],
  finishing: ['boolean', 'undefined'],
  overwrite: ['boolean', 'undefined'],
  name: ['number', 'undefined'],
  attributes: ['string', 'undefined'],
  savedAtMs: ['number'],
} as const;

let folder: string | undefined;

/** The file that remembers an unfinished upload, in whatever state somebody has left it. */
export const records: Target = {
  name: 'records',
  about:
    'files that remember uploads, damaged or forged: a record whose fields are what they should be, or none, and nothing left of it',
  seeds: [
    record({}),
    record({ finishing: true, initCalled: true, name: 1, attributes: 'a' }),
    record({ hash: { hashedBytes: 65536, data: `sha1-1:65536:${STATE}:${'A'.repeat(28)}` } }),
    '',
    'null',
  ],
  words: ['"hash":', '"hashedBytes":', '"data":', '"wire":', '"name":', '"session":', '"sliceSizeBytes":'],
  async run(input) {
    folder ??= mkdtempSync(join(tmpdir(), 'cos-slice-fuzz-'));
    const name = `${createHash('sha256').update(KEY).digest('hex')}.json`;
    await writeFile(join(folder, name), input);
    const loaded = await createFileResumeStore({ dir: folder, maxAgeMs: Number.MAX_SAFE_INTEGER }).load(KEY);
    if (!loaded) {
      expect(!(await readdir(folder)).includes(name), 'a record that is of no use stays');
      return;
    }
    for (const [field, types] of Object.entries(TYPES)) {
      const type = typeof (loaded as unknown as Record<string, unknown>)[field];
      expect((types as readonly string[]).includes(type), `${field} of a record is a ${type}`);
    }
    const { sizeBytes, sliceSizeBytes, name: number = 0, hash } = loaded;
    expect(sizeBytes >= 0 && sliceSizeBytes > 0, `a record of ${sizeBytes} bytes in slices of ${sliceSizeBytes}`);
    expect(Number.isSafeInteger(number) && number >= 0, `a name with the number ${number}`);
    const position = await decodeCheckpoint(hash, sizeBytes, sliceSizeBytes);
    if (!position) return;
    const again = await decodeCheckpoint(encodeCheckpoint(position, sliceSizeBytes), sizeBytes, sliceSizeBytes);
    expect(
      again?.hashedBytes === position.hashedBytes,
      'a checkpoint is not what it was once it has been written again',
    );
  },
  async close() {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    folder = undefined;
  },
}; // prettier-ignore
