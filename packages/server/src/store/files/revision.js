// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.

/** @param {import('./revision.d.ts').FileFacts} facts */
export function revisionOf({ size, mtimeNs, ino }) {
  return [size, mtimeNs, ino].map((value) => value.toString(36)).join('-');
}
