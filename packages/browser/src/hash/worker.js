// @ts-check
// Runs in a worker of its own, bundled into a string by scripts/bundle-worker.js. Bytes are read and hashed here, so that
// the page's thread sees neither.
import { createMD5, createSHA1 } from 'hash-wasm';

/**
 * @typedef {{ hashedBytes: number, data: string }} Checkpoint
 * @typedef {{ id: number } & (
 *   { type: 'ready' } |
 *   { type: 'digest', algorithm: 'md5' | 'sha1', blob: Blob } |
 *   { type: 'parts', blob: Blob, sliceSizeBytes: number, from?: Checkpoint } |
 *   { type: 'cancel' })} Job
 */

const READ_BYTES = 4 * 1024 * 1024;
const CHECKPOINT_EVERY_BYTES = 64 * 1024 * 1024;
const CHECKPOINT_VERSION = 1;
/** Where hash-wasm's saved SHA-1 state holds the five chaining words, little-endian. */
const STATE_FROM = 4;
const STATE_TO = 24;

/** @type {Set<number>} */
const cancelled = new Set();

addEventListener('message', async (/** @type {MessageEvent<Job>} */ { data: job }) => {
  if (job.type === 'cancel') {
    cancelled.add(job.id);
    return;
  }
  try {
    postMessage({ id: job.id, result: await perform(job) });
  } catch (error) {
    const { name = 'Error', message = String(error) } = /** @type {Error} */ (error);
    postMessage({ id: job.id, error: { name, message } });
  } finally {
    cancelled.delete(job.id);
  }
});

/** @param {Exclude<Job, { type: 'cancel' }>} job */
async function perform(job) {
  if (job.type === 'ready') return Boolean(await createSHA1());
  if (job.type === 'parts') return hashParts(job);
  const hash = await (job.algorithm === 'md5' ? createMD5() : createSHA1());
  hash.init();
  await readAll(job.blob, 0, job.id, (bytes) => void hash.update(bytes));
  return hash.digest('hex');
}

/** @param {Extract<Job, { type: 'parts' }>} job */
async function hashParts({ id, blob, sliceSizeBytes, from }) {
  const hash = await createSHA1();
  const resumed = from && resume(hash, from, sliceSizeBytes, blob.size);
  if (!resumed) hash.init();
  const states = resumed ? resumed.states : [];
  let at = resumed ? from.hashedBytes : 0;
  let saidAt = at;
  postMessage({ id, progress: at });

  /** @param {Uint8Array} bytes */
  const take = (bytes) => {
    for (let used = 0; used < bytes.length; ) {
      const length = Math.min(bytes.length - used, sliceSizeBytes - (at % sliceSizeBytes));
      hash.update(bytes.subarray(used, used + length));
      used += length;
      at += length;
      if (at % sliceSizeBytes === 0 && at < blob.size) states.push(toHex(hash.save().subarray(STATE_FROM, STATE_TO)));
    }
    postMessage({ id, progress: at });
    if (at - saidAt < CHECKPOINT_EVERY_BYTES || at % sliceSizeBytes !== 0) return;
    saidAt = at;
    const data = [CHECKPOINT_VERSION, sliceSizeBytes, toHex(hash.save()), states.join('')].join(':');
    postMessage({ id, checkpoint: { hashedBytes: at, data } });
  };
  await readAll(blob, at, id, take);
  const sha = hash.digest('hex');
  const parts = [...states, sha].map((datasha, index) => {
    const offset = index * sliceSizeBytes;
    return { offset, datalen: Math.min(sliceSizeBytes, blob.size - offset), datasha };
  });
  return { sha, parts };
}

/**
 * Continues from a checkpoint.
 *
 * @returns undefined when it does not fit in every detail: then hashing starts over
 * @param {Awaited<ReturnType<typeof createSHA1>>} hash
 * @param {Checkpoint} from
 * @param {number} sliceSizeBytes
 * @param {number} sizeBytes
 */
function resume(hash, { hashedBytes, data }, sliceSizeBytes, sizeBytes) {
  const [version, sliceSize, saved = '', states = ''] = String(data).split(':');
  const count = hashedBytes / sliceSizeBytes;
  const fits =
    Number(version) === CHECKPOINT_VERSION &&
    Number(sliceSize) === sliceSizeBytes &&
    Number.isInteger(count) &&
    count > 0 &&
    hashedBytes < sizeBytes &&
    states.length === count * 40 &&
    /^[0-9a-f]+$/.test(saved + states) &&
    saved.slice(STATE_FROM * 2, STATE_TO * 2) === states.slice(-40);
  if (!fits) return undefined;
  try {
    hash.load(fromHex(saved));
  } catch {
    // Saved by another version of the library.
    return undefined;
  }
  return { states: states.match(/.{40}/g) ?? [] };
}

/**
 * Reads on while what was read is hashed.
 *
 * @param {Blob} blob
 * @param {number} from
 * @param {number} id
 * @param {(bytes: Uint8Array) => void} take
 */
async function readAll(blob, from, id, take) {
  const read = (/** @type {number} */ at) => blob.slice(at, at + READ_BYTES).arrayBuffer();
  let next = from < blob.size ? read(from) : undefined;
  for (let at = from; next; at += READ_BYTES) {
    const bytes = new Uint8Array(await next);
    next = at + READ_BYTES < blob.size ? read(at + READ_BYTES) : undefined;
    next?.catch(() => {});
    if (cancelled.has(id)) throw new Error('cancelled');
    take(bytes);
  }
}

/** @param {Uint8Array} bytes */
function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {string} hex */
function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
