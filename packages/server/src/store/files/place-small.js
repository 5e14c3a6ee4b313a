// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.
import {
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { revisionOf } from './revision.js';

/** @import { SmallObject, SmallPlaced } from './place-small.d.ts' */

/** A mount of its own, or a file system without hard links. */
const UNFIT = new Set(['EXDEV', 'EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/**
 * Puts a small object where nothing is yet, in a folder that is there. In the same steps as `place`: at each of them there is
 * the whole object with its labels, or none.
 *
 * @param {SmallObject} object
 * @param {Uint8Array} content
 * @returns {SmallPlaced}
 */
export function placeSmall({ path, spoolPath, labelsPath, notePath, labels, overwrite }, content) {
  try {
    const parent = dirname(path);
    if (realpathSync.native(`${parent}/`) !== parent) return { isUnfit: true };
    if (lstatSync(path, { throwIfNoEntry: false })) return {};
    const facts = write(spoolPath, content);
    const text = JSON.stringify([{ ...labels, revision: revisionOf(facts) }]);
    // Where there are labels already it takes a look at what they are for.
    writeFileSync(labelsPath, text, { flag: 'wx' });
    move(spoolPath, path, overwrite);
    return { facts, isNoted: notePath === undefined || succeeds(() => linkSync(labelsPath, notePath)) };
  } catch (error) {
    succeeds(() => rmSync(spoolPath, { force: true }));
    const { code = '' } = /** @type {NodeJS.ErrnoException} */ (error);
    return { isUnfit: UNFIT.has(code) };
  }
}

/** @param {string} path @param {Uint8Array} content */
function write(path, content) {
  const fd = openSync(path, 'wx');
  try {
    for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
    return fstatSync(fd, { bigint: true });
  } finally {
    closeSync(fd);
  }
}

/** @param {string} from @param {string} to @param {boolean} overwrite */
function move(from, to, overwrite) {
  if (overwrite) return renameSync(from, to);
  linkSync(from, to);
  // A second name of a file that is in place already: the sweep removes it, too.
  succeeds(() => unlinkSync(from));
}

/** @param {() => void} act */
function succeeds(act) {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
