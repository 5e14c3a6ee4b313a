import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Target } from '../store.ts';

/**
 * Where things lie below the root. Objects are plain files at `<appid>/<bucket>/<path>`; all else is in `.cos-slice`:
 *
 * - `sessions/<target hash>/` one unfinished upload: `meta.json`, `checkpoints`, `journal`, `data`
 * - `objects/<target hash>.json` what is known about an object
 * - `content/<bucket and sha hash>.json` an object that holds this content
 * - `spool/` whatever is being written; what a crash has left there is swept away when the store opens
 */
export interface Layout {
  readonly sessions: string;
  readonly objects: string;
  readonly content: string;
  readonly spool: string;
  bucketDir(target: Target): string;
  objectPath(target: Target): string;
  sessionDir(targetHash: string): string;
  labelsPath(target: Target): string;
  contentPath(target: Target, sha: string): string;
  newSpoolPath(): string;
}

export function createLayout(root: string): Layout {
  const own = (...names: string[]) => join(root, '.cos-slice', ...names);
  const bucketDir = (target: Target) => join(root, target.appId, target.bucket);
  return {
    sessions: own('sessions'),
    objects: own('objects'),
    content: own('content'),
    spool: own('spool'),
    bucketDir,
    objectPath: (target) => `${bucketDir(target)}/${target.path}`,
    sessionDir: (hash) => own('sessions', hash),
    labelsPath: (target) => own('objects', `${targetHash(target)}.json`),
    contentPath: (target, sha) => own('content', `${hashOf(target.appId, target.bucket, sha)}.json`),
    newSpoolPath: () => own('spool', randomBytes(12).toString('hex')),
  };
}

/** A file name for a target: any path, however long, and no clash between a file and a directory of that name. */
export function targetHash(target: Target): string {
  return hashOf(target.appId, target.bucket, target.path);
}

function hashOf(...parts: string[]): string {
  return createHash('sha1').update(parts.join('/')).digest('hex');
}
