import type { Integrity } from '@cos-slice/node';
import type { Call } from './command.ts';
import type { Reach } from './connection.ts';
import { UsageError } from './failure.ts';
import {
  choiceFlag,
  type Flag,
  nameOf,
  negatedFlag,
  optionDoc,
  optionRow,
  sizeFlag,
  switchFlag,
  textFlag,
  wholeFlag,
} from './flags.ts';
import { PROXY } from './settings.ts';
import { checkAll, formatSize, list } from './units.ts';

const INTEGRITY = optionRow('integrity', 'choice');
/** Of the JSON API. */
const INTEGRITIES = INTEGRITY.choices as readonly Integrity[];
const SLICE_SIZE = optionRow('sliceSize', 'whole');
const SPOOL_MAX = optionRow('spoolMax', 'whole');
const MAX_MEMORY = optionRow('maxMemory', 'whole');
const FEWEST = optionRow('concurrency.min', 'whole');
const MOST = optionRow('concurrency.max', 'whole');

const SLICE_SIZE_FLAG = sizeFlag('--slice-size <SIZE>', optionDoc('sliceSize'), SLICE_SIZE, SLICE_SIZE.default);

/** @throws UsageError for what the server of a bucket does not take */
export function checkUpload(
  { sliceSize, integrity }: { readonly sliceSize?: number | undefined; readonly integrity?: Integrity | undefined },
  { options: { wire } }: Reach,
): void {
  checkAll(
    () => {
      if (sliceSize === undefined) return;
      sizeFlag('', '', wire?.traits.sliceSize ?? SLICE_SIZE).read(formatSize(sliceSize), nameOf(SLICE_SIZE_FLAG));
    },
    () => {
      choiceFlag('', '', wire?.traits.integrity ?? INTEGRITIES).read(
        integrity,
        `${nameOf(UPLOAD.integrity)} of this server`,
      );
    },
  );
}

export const CONCURRENCY: Flag<number | undefined> = {
  ...wholeFlag('--concurrency <N>', 'requests in flight', { min: FEWEST.min, max: MOST.max }, undefined),
  doc: `requests in flight, ${FEWEST.min} to ${MOST.max} (default: adapts, ${FEWEST.default} to ${MOST.default})`,
};

/** For whatever moves bytes. */
export const BANDWIDTH: Flag<number | undefined> = sizeFlag(
  '--bandwidth <SIZE>',
  'most bytes a second, over all that is under way',
  {
    min: 1024,
    max: 1_099_511_627_776,
  },
);

export const QUIET: Flag<boolean> = switchFlag('--quiet', 'no progress');

/** How an upload goes, whatever it is of. */
export const UPLOAD: {
  readonly integrity: Flag<Integrity | undefined>;
  readonly sliceSize: Flag<number | undefined>;
  readonly concurrency: Flag<number | undefined>;
  readonly maxMemory: Flag<number | undefined>;
  readonly bandwidth: Flag<number | undefined>;
  readonly overwrite: Flag<boolean>;
  readonly skipExisting: Flag<boolean>;
  readonly rename: Flag<boolean>;
  readonly onConflict: Flag<'error' | 'restart' | undefined>;
  readonly mayGrow: Flag<boolean>;
  readonly spoolMax: Flag<number | undefined>;
  readonly proxy: Flag<string | undefined>;
  readonly attributes: Flag<string | undefined>;
  readonly resume: Flag<boolean>;
  readonly quiet: Flag<boolean>;
} = {
  integrity: integrityOf('--integrity <LEVEL>'),
  sliceSize: {
    ...SLICE_SIZE_FLAG,
    doc: `${SLICE_SIZE_FLAG.doc}; of s3 and cos parts of 5m or 1m to 5g, default: 8m`,
    // What a server takes is known when it is known what it speaks.
    read: sizeFlag('--slice-size <SIZE>', '', { ...SLICE_SIZE, min: 1, max: Number.MAX_SAFE_INTEGER, step: 1 }).read,
  },
  concurrency: CONCURRENCY,
  maxMemory: sizeFlag('--max-memory <SIZE>', optionDoc('maxMemory'), MAX_MEMORY, MAX_MEMORY.default),
  bandwidth: BANDWIDTH,
  overwrite: switchFlag('--overwrite', 'replace what is at the path'),
  skipExisting: switchFlag('--skip-existing', 'leave alone what is at the path, and be done'),
  rename: switchFlag('--rename', 'put (1), (2), ... before the extension while the path is taken'),
  onConflict: choiceOf('--on-conflict <WHAT>', 'onConflict'),
  mayGrow: switchFlag('--may-grow', optionDoc('mayGrow')),
  spoolMax: sizeFlag('--spool-max <SIZE>', 'with -: most that may be kept on disk', SPOOL_MAX, SPOOL_MAX.default),
  proxy: PROXY,
  attributes: textFlag('--attributes <TEXT>', optionDoc('attributes')),
  resume: negatedFlag('--no-resume', 'neither remember this upload nor look for an earlier run of it'),
  quiet: QUIET,
};

/** What to do when something is at the path. @throws UsageError */
export function readOverwrite(given: Call['given']): boolean | 'skip' | 'rename' {
  const chosen = (['overwrite', 'skipExisting', 'rename'] as const).filter((name) => given[name] === true);
  if (chosen.length > 1) throw new UsageError(`give only one of ${list(chosen.map((name) => nameOf(UPLOAD[name])))}`);
  const [one] = chosen;
  return one === 'rename' ? 'rename' : one === 'skipExisting' ? 'skip' : one === 'overwrite';
}

/** What servers take: which of it is the wire's matter, and told when that is known. */
function integrityOf(usage: string): Flag<Integrity | undefined> {
  const flag = choiceFlag(usage, optionDoc('integrity'), [...INTEGRITIES, 'crc64'], String(INTEGRITY.default));
  return { ...flag, doc: flag.doc.replace(/\)$/, '; crc64: cos and s3, sha1: not there)') };
}

function choiceOf<T extends string>(usage: string, name: string): Flag<T | undefined> {
  const row = optionRow(name, 'choice');
  return choiceFlag(usage, optionDoc(name), row.choices as readonly T[], String(row.default));
}
