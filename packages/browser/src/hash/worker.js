// @ts-check
// Runs in a worker of its own, bundled into a string by scripts/bundle-worker.js. Bytes are read and hashed here, so that
// the page's thread sees neither.
import { createCRC64, createMD5, createSHA1 } from 'hash-wasm';

/**
 * @typedef {{ hashedBytes: number, data: string }} Checkpoint
 * @typedef {{ id: number } & (
 *   { type: 'ready' } |
 *   { type: 'digest', algorithm: string, blob: Blob } |
 *   { type: 'chain', blob: Blob, state?: string, last: boolean } |
 *   { type: 'parts', blob: Blob, sliceSizeBytes: number, from?: Checkpoint })} Job
 * @typedef {{ id: number, type: 'cancel' } | { id: number, type: 'piece', bytes: ArrayBuffer }} Note
 */

const PIECE_BYTES = 2 * 1024 * 1024;
/** Pieces in memory, of all jobs together: the next one is read while one is hashed. */
const MAX_PIECES = 8;
/** A read of one piece that takes longer is left to the page, which may have more luck. */
const READ_PATIENCE_MS = 8000;
const CHECKPOINT_EVERY_BYTES = 64 * 1024 * 1024;
const CHECKPOINT_VERSION = 1;
/** Where hash-wasm's saved SHA-1 state holds the five chaining words, little-endian. */
const STATE_FROM = 4;
const STATE_TO = 24;

/** @type {Set<number>} */
const jobs = new Set();
/** Pieces that the page has been asked for. @type {Map<number, (bytes: ArrayBuffer) => void>} */
const asked = new Map();

addEventListener('message', async (/** @type {MessageEvent<Job | Note>} */ { data }) => {
  const { id, type } = data;
  if (type === 'cancel') return void jobs.delete(id);
  if (type === 'piece') return asked.get(id)?.(data.bytes);
  jobs.add(id);
  try {
    postMessage({ id, result: await perform(data) });
  } catch (error) {
    const { name = 'Error', message = String(error) } = /** @type {Error} */ (error);
    postMessage({ id, error: { name, message } });
  } finally {
    jobs.delete(id);
  }
});

/** @param {Job} job */
async function perform(job) {
  if (job.type === 'ready') return Boolean(await createSHA1());
  if (job.type === 'parts') return hashParts(job);
  const isChain = job.type === 'chain';
  const algorithm = isChain ? 'sha1' : job.algorithm;
  // What is neither is the polynomial of a CRC-64.
  const make = algorithm === 'md5' ? createMD5 : algorithm === 'sha1' ? createSHA1 : () => createCRC64(algorithm);
  const hash = await make();
  if (isChain && job.state) hash.load(fromHex(job.state));
  else hash.init();
  await readAll(job.blob, 0, job.id, (bytes) => void hash.update(bytes));
  return isChain && !job.last ? toHex(hash.save()) : hash.digest('hex');
}

/** @param {Extract<Job, { type: 'parts' }>} job */
async function hashParts({ id, blob, sliceSizeBytes, from }) {
  const hash = await createSHA1();
  const resumed = from && resume(hash, from, sliceSizeBytes, blob.size);
  if (!resumed) hash.init();
  const states = resumed ? resumed.states : [];
  let at = resumed ? from.hashedBytes : 0;
  let savedAt = at;

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
 * Reads with `arrayBuffer`, a piece at a time: in Chromium a stream's BYOB reader now and then leaves a read without an answer.
 * Every piece is told of: the page takes a worker that is silent for long for one that has died.
 *
 * @param {Blob} blob
 * @param {number} from
 * @param {number} id
 * @param {(bytes: Uint8Array) => void} take
 */
async function readAll(blob, from, id, take) {
  /** @type {Promise<Uint8Array>[]} */
  const ahead = [];
  let at = from;
  let done = from;
  postMessage({ id, progress: done });
  const readNext = () => {
    const offset = at;
    if (offset < blob.size) ahead.push(holding(() => readPiece(blob, offset, id)));
    at += PIECE_BYTES;
  };
  readNext();
  readNext();
  try {
    for (let next = ahead.shift(); next; next = ahead.shift()) {
      const bytes = await next;
      try {
        if (!jobs.has(id)) throw 'cancelled';
        take(bytes);
        done += bytes.length;
        postMessage({ id, progress: done });
      } finally {
        leave();
      }
      readNext();
    }
  } finally {
    for (const unused of ahead) unused.then(leave, () => {});
  }
}

let asks = 0;

/** @param {Blob} blob @param {number} at @param {number} id */
async function readPiece(blob, at, id) {
  const piece = blob.slice(at, at + PIECE_BYTES);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const fromPage = new Promise((/** @type {(bytes: ArrayBuffer) => void} */ resolve) => {
    timer = setTimeout(() => {
      asks += 1;
      asked.set(asks, resolve);
      postMessage({ id, ask: asks, piece });
    }, READ_PATIENCE_MS);
  });
  const bytes = await Promise.race([piece.arrayBuffer(), fromPage]).finally(() => clearTimeout(timer));
  // As the browser says it of a file that has changed.
  if (bytes.byteLength < piece.size) throw { name: 'NotReadableError', message: 'shorter' };
  return new Uint8Array(bytes);
}

let places = MAX_PIECES;
/** @type {(() => void)[]} */
const waiting = [];

/** Reads into one of the places, and keeps it until `leave`, or gives it back where nothing was read. @param {() => Promise<Uint8Array>} read */
async function holding(read) {
  if (places > 0) places -= 1;
  else await new Promise((/** @type {(value?: undefined) => void} */ enter) => waiting.push(enter));
  try {
    return await read();
  } catch (error) {
    leave();
    throw error;
  }
}

function leave() {
  const enter = waiting.shift();
  if (enter) enter();
  else places += 1;
}

/** @param {Uint8Array} bytes */
function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {string} hex */
function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
