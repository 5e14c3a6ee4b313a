import { resolve } from 'node:path';
import { fileStore, type S3Abilities, type S3CallInfo, type Store, s3Store } from '@cos-slice/server';
import { CommandError, UsageError } from '../failure.ts';
import { type Flag, type Flags, sizeFlag, switchFlag, textFlag, type Values } from '../flags.ts';
import { quoteName, toLine } from '../text.ts';

const MIB = 1024 * 1024;
const PART = { min: MIB, max: 5 * 1024 * MIB };

export interface StoreFlags extends Flags {
  readonly root: Flag<string | undefined>;
  readonly store: Flag<string | undefined>;
  readonly s3Endpoint: Flag<string | undefined>;
  readonly s3Region: Flag<string | undefined>;
  readonly s3VirtualHost: Flag<boolean>;
  readonly partBytes: Flag<number | undefined>;
}

export const STORE_FLAGS: StoreFlags = {
  root: {
    usage: '--root <DIR>',
    doc: 'folder for the files; made when missing',
    takes: 'directory',
    read(given): string | undefined {
      // Empty is what an unset variable becomes in scripts: not the folder somebody happens to be in.
      if (given === '') throw new UsageError('--root must be a folder, got nothing');
      return given === undefined ? undefined : String(given);
    },
  },
  store: textFlag('--store <s3://BUCKET/PREFIX>', 'keep the files in an object store instead of a folder'),
  s3Endpoint: textFlag('--s3-endpoint <URL>', "the object store's address (default: that of AWS for the region)"),
  s3Region: {
    ...textFlag('--s3-region <NAME>', "the object store's region (default: us-east-1)"),
    variable: 'AWS_REGION',
  },
  s3VirtualHost: switchFlag('--s3-virtual-host', "put the bucket into the host's name, as AWS and COS have it anyway"),
  partBytes: sizeFlag(
    '--part-size <SIZE>',
    'the smallest part that the object store takes, and so the smallest slice',
    PART,
  ),
};

export interface ChosenStore {
  readonly store: Store;
  /** Where the files are, for people. */
  readonly place: string;
  /** @throws CommandError that says what to do */
  open(): Promise<void>;
}

/** @throws UsageError unless exactly one store is named, and named well */
export function chooseStore(flags: Values<StoreFlags>, onCall: (info: S3CallInfo) => void): ChosenStore {
  if (flags.root !== undefined && flags.store !== undefined) {
    throw new UsageError('--root and --store exclude each other: files are kept in a folder or in an object store');
  }
  if (flags.store !== undefined) return chooseS3(flags, flags.store, onCall);
  if (flags.root === undefined) {
    throw new UsageError('say where to keep the files: --root DIR, or --store s3://BUCKET/PREFIX (see serve --help)');
  }
  const root = resolve(flags.root);
  const store = fileStore(root);
  return {
    store,
    place: root,
    open: () =>
      store.open().catch((error) => {
        throw new CommandError('root-unusable', rootProblem(error, root));
      }),
  };
}

function chooseS3(flags: Values<StoreFlags>, address: string, onCall: (info: S3CallInfo) => void): ChosenStore {
  const [, bucket, prefix] = /^s3:\/\/([^/?#]+)(?:\/([^?#]*))?$/.exec(address) ?? [];
  if (bucket === undefined) throw new UsageError(`--store must be s3://BUCKET or s3://BUCKET/PREFIX, got '${address}'`);
  const { s3Endpoint, s3Region, partBytes, s3VirtualHost } = flags;
  let abilities: S3Abilities | undefined;
  try {
    const store = s3Store({
      bucket,
      ...(prefix && { prefix }),
      ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }),
      ...(s3Region !== undefined && { region: s3Region }),
      ...(s3VirtualHost && { pathStyle: false }),
      ...(partBytes !== undefined && { minPartBytes: partBytes }),
      onCall,
      onAbilities(found) {
        abilities = found;
      },
    });
    return {
      store,
      place: address,
      async open() {
        await store.open().catch((error) => {
          const why = toLine(error instanceof Error ? error.message : String(error));
          throw new CommandError('store-unusable', `${quoteName(address)} cannot be used: ${why}`);
        });
        warn(abilities);
      },
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message.replace(/^s3Store: /, '').replace('endpoint:', '--s3-endpoint'));
  }
}

/** What the store below does not heed, its operator should know. */
function warn(abilities: S3Abilities | undefined): void {
  if (abilities?.putsIfNew === false) {
    process.stderr.write('warning: the object store ignores If-None-Match: run no more than one server on it\n');
  }
}

function rootProblem({ code, message }: NodeJS.ErrnoException, root: string): string {
  if (code === 'EEXIST' || code === 'ENOTDIR') return `${root} is a file, or below one: give --root a folder`;
  if (code === 'EACCES' || code === 'EPERM') return `${root} may not be made (${code}): give --root another folder`;
  return `${root} cannot be made (${code ?? message}): give --root another folder`;
}
