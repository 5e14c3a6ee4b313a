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

const CHUNK_BYTES = 1024 * 1024;
/** Streams are read for so long at most: some browsers keep all that a stream has in memory. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const PROGRESS_EVERY_BYTES = 4 * 1024 * 1024;
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
  let toldAt = at;
  let savedAt = at;
  postMessage({ id, progress: at });

  /** @param {Uint8Array} bytes */
  const take = (bytes) => {
    for (let used = 0; used < bytes.length; ) {
      const length = Math.min(bytes.length - used, sliceSizeBytes - (at % sliceSizeBytes));
      hash.update(bytes.subarray(used, used + length));
      used += length;
      at += length;
      if (at % sliceSizeBytes !== 0 || at >= blob.size) continue;
      const state = hash.save();
      states.push(toHex(state.subarray(STATE_FROM, STATE_TO)));
      if (at - savedAt < CHECKPOINT_EVERY_BYTES) continue;
      savedAt = at;
      const data = [CHECKPOINT_VERSION, sliceSizeBytes, toHex(state), states.join('')].join(':');
      postMessage({ id, checkpoint: { hashedBytes: at, data } });
    }
    if (at - toldAt < PROGRESS_EVERY_BYTES && at < blob.size) return;
    toldAt = at;
    postMessage({ id, progress: at });
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
 * @param {Blob} blob
 * @param {number} from
 * @param {number} id
 * @param {(bytes: Uint8Array) => void} take
 */
async function readAll(blob, from, id, take) {
  const read = hasByteStreams() ? readStream : readChunks;
  for (let at = from; at < blob.size; at += WINDOW_BYTES) {
    await read(blob.slice(at, at + WINDOW_BYTES), (bytes) => {
      if (cancelled.has(id)) throw new Error('cancelled');
      take(bytes);
    }).catch(async (error) => {
      // Chromium's streams call whatever happened to the file a network error: a byte read otherwise tells what it was.
      await blob.slice(at, at + 1).arrayBuffer();
      throw error;
    });
  }
}

/** Whether blobs can be read into a buffer of ours, which is several times as fast as `arrayBuffer`, in a tenth of the memory. */
function hasByteStreams() {
  try {
    new Blob().stream().getReader({ mode: 'byob' });
    return true;
  } catch {
    return false;
  }
}

/** @param {Blob} blob @param {(bytes: Uint8Array) => void} take */
async function readStream(blob, take) {
  const reader = blob.stream().getReader({ mode: 'byob' });
  let buffer = new ArrayBuffer(CHUNK_BYTES);
  // Not until `done`: in Chromium the read after the last byte now and then never ends.
  for (let left = blob.size; left > 0; ) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) throw new DOMException('the file is shorter than it was', 'NotReadableError');
    left -= value.length;
    take(value);
    buffer = value.buffer;
  }
  reader.cancel().catch(() => {});
}

/** @param {Blob} blob @param {(bytes: Uint8Array) => void} take */
async function readChunks(blob, take) {
  for (let at = 0; at < blob.size; at += CHUNK_BYTES) {
    take(new Uint8Array(await blob.slice(at, at + CHUNK_BYTES).arrayBuffer()));
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
