// @ts-check
// Plain JavaScript: a worker thread loads it as it is, from the sources as well as from the package.
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { parentPort } from 'node:worker_threads';
import { createCRC64, createSHA1 } from 'hash-wasm';

/** @import { FileRead, HashJob, HashReply, PartsJob } from './hash-jobs.ts' */

const readFrom = promisify(read);

const READ_BYTES = 1024 * 1024;
const PROGRESS_MS = 50;
const MIN_CHECKPOINT_STEP_BYTES = 256 * 1024 * 1024;

/** @param {HashReply} reply */
const post = (reply) => parentPort?.postMessage(reply);

parentPort?.on('message', async (/** @type {HashJob} */ job) => {
  try {
    if (job.kind === 'digest') {
      const { algorithm, polynomial } = job;
      const digest = polynomial
        ? (await createCRC64(polynomial)).init().update(job.bytes).digest('hex')
        : createHash(algorithm).update(job.bytes).digest('hex');
      post({ kind: 'done', digest });
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
  const cancelled = () => Atomics.load(cancel, 0) !== 0;
  /** @type {number[]} */
  let states = [];
  let toldAtMs = performance.now();
  let checkpointAt = nextCheckpoint(position);
  /** @param {Uint8Array} buffer @param {number} offset never beyond the slice that it lies in */
  const readAt = (buffer, offset) => {
    const sliceEnd = Math.min(sizeBytes, (Math.floor(offset / sliceSizeBytes) + 1) * sliceSizeBytes);
    return readFrom(fd, buffer, 0, Math.min(buffer.length, sliceEnd - offset), offset);
  };
  let [current, other] = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)];
  let pending = readAt(current, position);
  while (position < sizeBytes && !cancelled()) {
    const { bytesRead } = await pending;
    if (bytesRead === 0) throw Object.assign(new Error('The file became shorter'), { code: 'SHORT' });
    const block = current.subarray(0, bytesRead);
    position += bytesRead;
    [current, other] = [other, current];
    pending = readAt(current, position);
    sha1.update(block);
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
  await pending;
  post({ kind: 'progress', hashedBytes: position, states: Uint8Array.from(states) });
  post({ kind: 'done', digest: cancelled() ? '' : sha1.digest('hex') });
}

/**
 * A checkpoint holds all states so far: in growing steps, all of them together stay a small multiple of the last.
 *
 * @param {number} position
 */
function nextCheckpoint(position) {
  return position + Math.max(MIN_CHECKPOINT_STEP_BYTES, position / 8);
}
