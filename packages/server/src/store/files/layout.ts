import { createHash, randomBytes } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import type { Target } from '../store.ts';

/**
 * Where things lie below the root. Objects are plain files at `<appid>/<bucket>/<path>`; all else is in `.cos-slice`:
 *
 * - `sessions/<target hash>/` one unfinished upload: `meta.json`, `checkpoints`, `journal`, `data`
 * - `objects/<target hash>.json` what is known about an object
 * - `directories/<target hash>.json` that somebody has created a directory, and what is known about it
 * - `content/<bucket and sha hash>.json` an object that holds this content
 * - `spool/` whatever is being written; what failures and crashes have left there is swept away
 *
 * One thing lies elsewhere, for as long as it takes: a file on its way to another file system than the root's is copied
 * to `.cos-slice-<random>` in the folder it goes to, and `spool/<random>.json` names it.
 */
export interface Layout {
  readonly root: string;
  readonly sessions: string;
  readonly objects: string;
  readonly directories: string;
  readonly content: string;
  readonly spool: string;
  readonly once: string;
  bucketDir(target: Target): string;
  objectPath(target: Target): string;
  sessionDir(targetHash: string): string;
  labelsPath(target: Target): string;
  markerPath(target: Target): string;
  /** The other way round: the target at a path below a bucket's. */
  targetAt(path: string): Target;
  contentPath(target: Target, sha: string): string;
  newSpoolPath(): string;
  /** A new name in the same folder, and where to note it. */
  newAside(path: string): Aside;
  /** The other way round: where a note leads, if it is one. */
  asidePath(note: AsideNote): string | undefined;
}

export interface Aside {
  readonly path: string;
  readonly notePath: string;
  readonly note: AsideNote;
}

export interface AsideNote {
  /** Relative to the root. */
  readonly aside: string;
}

const ASIDE = /^\.cos-slice-[0-9a-f]{24}$/;

/** Whether a file of this name is not an object, but one on its way. */
export function isAsideName(name: string): boolean {
  return ASIDE.test(name);
}

export function createLayout(root: string): Layout {
  const newName = createNames();
  const own = (...names: string[]) => join(root, '.cos-slice', ...names);
  const bucketDir = (target: Target) => join(root, target.appId, target.bucket);
  return {
    root,
    sessions: own('sessions'),
    objects: own('objects'),
    directories: own('directories'),
    content: own('content'),
    spool: own('spool'),
    once: own('once'),
    bucketDir,
    objectPath: (target) => (target.path === '' ? bucketDir(target) : `${bucketDir(target)}/${target.path}`),
    sessionDir: (hash) => own('sessions', hash),
    labelsPath: (target) => own('objects', `${targetHash(target)}.json`),
    markerPath: (target) => own('directories', `${targetHash(target)}.json`),
    targetAt(path) {
      const [appId = '', bucket = '', ...names] = relative(root, path).split('/');
      return { appId, bucket, path: names.join('/') };
    },
    contentPath: (target, sha) => own('content', `${hashOf(target.appId, target.bucket, sha)}.json`),
    newSpoolPath: () => own('spool', newName()),
    newAside(beside) {
      const name = newName();
      const path = join(dirname(beside), `.cos-slice-${name}`);
      return { path, notePath: own('spool', `${name}.json`), note: { aside: relative(root, path) } };
    },
    asidePath: ({ aside }) => (isAsideName(aside.slice(aside.lastIndexOf('/') + 1)) ? join(root, aside) : undefined),
  };
}

/** A file name for a target: any path, however long, and no clash between a file and a directory of that name. */
export function targetHash(target: Target): string {
  return hashOf(target.appId, target.bucket, target.path);
}

function hashOf(...parts: string[]): string {
  return createHash('sha1').update(parts.join('/')).digest('hex');
}

/** Names that no other process makes, and none after 2^32 others. Drawing each of them would cost a system call. */
function createNames(): () => string {
  const ours = randomBytes(8).toString('hex');
  let count = 0;
  return () => {
    count = (count + 1) >>> 0;
    return ours + count.toString(16).padStart(8, '0');
  };
}
