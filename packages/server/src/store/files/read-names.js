// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.
import { opendir } from 'node:fs/promises';

/** @import { Names } from './read-names.d.ts' */

const SLASH = 0x2f;
const BATCH_ENTRIES = 4096;

/**
 * @param {string} dir
 * @param {number} maxEntries
 * @returns {Promise<Names | undefined>}
 */
export async function readNames(dir, maxEntries) {
  // One character stands for one byte: they are sorted as the bytes are, which is quick.
  /** @type {string[]} */
  const keys = [];
  for await (const entry of await opendir(dir, { bufferSize: BATCH_ENTRIES, encoding: 'latin1' })) {
    if (keys.length === maxEntries) return undefined;
    if (entry.isDirectory()) keys.push(`${entry.name}/`);
    else if (entry.isFile()) keys.push(entry.name);
  }
  keys.sort();
  const ends = new Uint32Array(keys.length);
  let end = 0;
  for (let i = 0; i < keys.length; i++) ends[i] = end += /** @type {string} */ (keys[i]).length;
  const bytes = new Uint8Array(end);
  let directories = 0;
  for (let i = 0, at = 0; i < keys.length; i++) {
    const key = /** @type {string} */ (keys[i]);
    for (let j = 0; j < key.length; j++) bytes[at++] = key.charCodeAt(j);
    if (bytes[at - 1] === SLASH) directories++;
  }
  return { bytes, ends, directories };
}
