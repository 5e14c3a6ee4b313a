// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { parentPort } from 'node:worker_threads';
import { createCRC64, createSHA1 } from 'hash-wasm';

/** @import { FileRead, HashJob, HashReply, PartsJob, StretchJob } from './hash-jobs.ts' */

const readFrom = promisify(read);

const READ_BYTES = 1024 * 1024;
const PROGRESS_MS = 50;
const MIN_CHECKPOINT_STEP_BYTES = 256 * 1024 * 1024;

/** @param {HashReply} reply */
const post = (reply) => parentPort?.postMessage(reply);

parentPort?.on('message', async (/** @type {HashJob} */ job) => {
  try {
    if (job.kind === 'digest') {
      const hash = await startHash(job);
      hash.update(job.bytes);
      post({ kind: 'done', digest: hash.digest('hex') });
    } else if (job.kind === 'stretch') {
      post({ kind: 'done', digest: await hashStretch(job) });
    } else if (job.kind === 'files') {
      const { algorithm, paths, memory, roomBytes, rooms } = job;
      const roomOf = (/** @type {number} */ at) => new Uint8Array(memory, (rooms[at] ?? 0) * roomBytes, roomBytes);
      post({ kind: 'files', files: paths.map((path, at) => readFile(path, roomOf(at), algorithm)) });
    } else {
      await hashParts(job);
    }
  } catch (error) {
    const { code = '', message = String(error) } = /** @type {NodeJS.ErrnoException} */ (error);
    post({ kind: 'failed', code, message });
  }
});

/**
 * @param {{ algorithm: string, polynomial: string | undefined }} job
 * @returns {Promise<{ update(bytes: Uint8Array): unknown, digest(encoding: 'hex'): string }>}
 */
async function startHash({ algorithm, polynomial }) {
  return polynomial ? (await createCRC64(polynomial)).init() : createHash(algorithm);
}

/** What was written to this recently may be written to again with the same time: file systems have coarse clocks. */
const REST_MS = 100;

/**
 * All of a small file, as it was at one moment. Calls that wait are cheapest here, where nobody else does.
 *
 * @param {string} path
 * @param {Uint8Array} room larger than what is wanted, so that it shows where the file ends
 * @param {'md5' | 'sha1' | undefined} algorithm
 * @returns {FileRead | undefined}
 */
function readFile(path, room, algorithm) {
  /** @type {number} */
  let fd;
  try {
    // What was a file a moment ago may be a pipe by now.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return undefined;
  }
  try {
    const before = fstatSync(fd, { bigint: true });
    const modifiedAtMs = Number(before.mtimeNs / 1_000_000n);
    if (!before.isFile() || before.size >= room.length || Date.now() - modifiedAtMs < REST_MS) return undefined;
    const sizeBytes = readSync(fd, room, 0, room.length, 0);
    const after = fstatSync(fd, { bigint: true });
    const isSame = after.mtimeNs === before.mtimeNs && after.ctimeNs === before.ctimeNs;
    if (!isSame || BigInt(sizeBytes) !== after.size) return undefined;
    const digest = algorithm && createHash(algorithm).update(room.subarray(0, sizeBytes)).digest('hex');
    return { sizeBytes, modifiedAtMs, digest };
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/**
 * SHA-1 of a file with its chaining state at the end of every slice. The next read is under way while a block is hashed.
 *
 * @param {PartsJob} job
 */
async function hashParts({ fd, sizeBytes, sliceSizeBytes, from, cancel }) {
  const sha1 = await createSHA1();
  let position = 0;
  if (from) {
    sha1.load(from.state);
    position = from.hashedBytes;
  }
  /** @type {number[]} */
  let states = [];
  let toldAtMs = performance.now();
  let checkpointAt = nextCheckpoint(position);
  // Never beyond the slice that a block begins in.
  const endOf = (/** @type {number} */ offset) =>
    Math.min(sizeBytes, (Math.floor(offset / sliceSizeBytes) + 1) * sliceSizeBytes);
  for await (const block of blocksOf(fd, position, endOf, cancel)) {
    sha1.update(block);
    position += block.length;
    if (position % sliceSizeBytes === 0 && position < sizeBytes) states.push(...sha1.save().subarray(4, 24));
    const nowMs = performance.now();
    const checkpoint = position >= checkpointAt && position % sliceSizeBytes === 0;
    if (checkpoint || nowMs - toldAtMs >= PROGRESS_MS) {
      post({
        kind: 'progress',
        hashedBytes: position,
        states: Uint8Array.from(states),
        ...(checkpoint && { state: sha1.save() }),
      });
      states = [];
      toldAtMs = nowMs;
      if (checkpoint) checkpointAt = nextCheckpoint(position);
    }
  }
  post({ kind: 'progress', hashedBytes: position, states: Uint8Array.from(states) });
  post({ kind: 'done', digest: isCancelled(cancel) ? '' : sha1.digest('hex') });
}

/** @param {StretchJob} job */
async function hashStretch({ algorithm, polynomial, fd, offset, sizeBytes, cancel }) {
  const hash = await startHash({ algorithm, polynomial });
  for await (const block of blocksOf(fd, offset, () => offset + sizeBytes, cancel)) hash.update(block);
  return isCancelled(cancel) ? '' : hash.digest('hex');
}

const isCancelled = (/** @type {Int32Array} */ cancel) => Atomics.load(cancel, 0) !== 0;

/**
 * What lies in a file, block by block, until there is nothing to read or it is cancelled. The next one is read while a block is
 * hashed.
 *
 * @param {number} fd
 * @param {number} start
 * @param {(offset: number) => number} endOf where a block that begins there has to end; there is no more where it says the same
 * @param {Int32Array} cancel
 */
async function* blocksOf(fd, start, endOf, cancel) {
  const readAt = (/** @type {Uint8Array} */ buffer, /** @type {number} */ offset) =>
    readFrom(fd, buffer, 0, Math.min(buffer.length, endOf(offset) - offset), offset);
  let [current, other] = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)];
  let position = start;
  let pending = readAt(current, position);
  while (position < endOf(position) && !isCancelled(cancel)) {
    const { bytesRead } = await pending;
    if (bytesRead === 0) throw Object.assign(new Error('The file became shorter'), { code: 'SHORT' });
    const block = current.subarray(0, bytesRead);
    position += bytesRead;
    [current, other] = [other, current];
    pending = readAt(current, position);
    yield block;
  }
  await pending;
}

/**
 * A checkpoint holds all states so far: in growing steps, all of them together stay a small multiple of the last.
 *
 * @param {number} position
 */
function nextCheckpoint(position) {
  return position + Math.max(MIN_CHECKPOINT_STEP_BYTES, position / 8);
}
