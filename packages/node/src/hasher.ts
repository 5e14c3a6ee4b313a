import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  CosSliceError,
  combineCrc64,
  type HashContext,
  type Hasher,
  type Source,
  type UploadPart,
} from '@cos-slice/core';
import { createSHA1 } from 'hash-wasm';
import { type Content, isLarge, piecesOf } from './content.ts';
import { decodeCheckpoint, encodeCheckpoint, type HashPosition } from './hash-checkpoint.ts';
import type { Algorithm, HashJob, PartsJob } from './hash-jobs.ts';
import { createHashPool, type HashEnd } from './hash-pool.ts';
import type { FileSource } from './source-file.ts';
import { polynomialOf, startHash } from './start-hash.ts';
import { noteDigest } from './witness.ts';

/** Smaller contents are hashed at once: a worker's round trip costs more. */
const INLINE_BYTES = 32 * 1024;
const INLINE_PASS_BYTES = 4 * 1024 * 1024;
const STEP_BYTES = 256 * 1024;
const STATE_BYTES = 20;

/**
 * Hashes in worker threads: MD5 of slices while others are being sent, and the pass of integrity `sha1` over a whole file,
 * which the worker reads itself through its descriptor. Other sources are hashed between the turns of the event loop.
 */
export function createHasher(): Hasher<Content> {
  // Two pools, so that slices never wait behind the pass over another file.
  const digests = createHashPool();
  const passes = createHashPool();
  return {
    async digest(algorithm, content, signal) {
      signal.throwIfAborted();
      const digest = await digestOf(algorithm, content, signal);
      noteDigest(content, algorithm, digest);
      return digest;
    },
    combine: async (algorithm, parts, sizeBytes) => combineCrc64(algorithm, parts, sizeBytes),
    async uploadParts(source, sliceSizeBytes, context) {
      context.signal.throwIfAborted();
      const start = await decodeCheckpoint(context.from, source.sizeBytes, sliceSizeBytes);
      const pass: Pass = { sliceSizeBytes, context, start, states: start ? [...start.states] : [] };
      const apart = isFile(source) && source.sizeBytes > INLINE_PASS_BYTES;
      const sha = apart ? await hashFile(source, pass) : await hashSlices(source, pass);
      if (isFile(source)) source.hashed(sha);
      await source.verify?.(context.signal);
      return { sha, parts: toParts(sha, pass.states, source.sizeBytes, sliceSizeBytes) };
    },
  };

  async function digestOf(algorithm: Algorithm, content: Content, signal: AbortSignal): Promise<string> {
    if (!isLarge(content) && content.length <= INLINE_BYTES) return digestHere(algorithm, content, signal);
    const reply = await digests.run(jobFor(algorithm, content), signal);
    if (reply.kind === 'done') return reply.digest;
    // What a worker cannot read of a file is read here, where it is known what that means.
    if (isLarge(content)) return digestHere(algorithm, content, signal);
    throw new CosSliceError('hashing-failed', `a slice could not be hashed: ${messageOf(reply)}`);
  }

  async function hashFile(source: FileSource<Content>, pass: Pass): Promise<string> {
    const { context, sliceSizeBytes, start, states } = pass;
    const job: PartsJob = {
      kind: 'parts',
      fd: source.fd,
      sizeBytes: source.sizeBytes,
      sliceSizeBytes,
      ...(start && { from: { hashedBytes: start.hashedBytes, state: start.state } }),
      cancel: newFlag(),
    };
    const reply = await passes.run(job, context.signal, {
      onWaiting: () => context.onProgress(start?.hashedBytes ?? 0),
      onProgress(progress) {
        states.push(progress.states);
        context.onProgress(progress.hashedBytes);
        if (progress.state !== undefined) {
          const { hashedBytes, state } = progress;
          context.onCheckpoint(encodeCheckpoint({ hashedBytes, state, states }, sliceSizeBytes));
        }
      },
    });
    if (reply.kind === 'done') return reply.digest;
    // In some runtimes (Deno) threads do not share descriptors.
    if (reply.kind === 'failed' && reply.code === 'EBADF') return hashSlices(source, { ...pass, states });
    // What the worker stumbled over is usually a change, which the source can name.
    await source.verify?.(context.signal);
    throw new CosSliceError('source-unreadable', `${source.path} cannot be hashed: ${messageOf(reply)}`);
  }
}

function jobFor(algorithm: Algorithm, content: Content): HashJob {
  const polynomial = polynomialOf(algorithm);
  if (isLarge(content)) {
    const { fd, offset, length: sizeBytes } = content;
    return { kind: 'stretch', algorithm, polynomial, fd, offset, sizeBytes, cancel: newFlag() };
  }
  // A view is posted with its whole buffer unless that is shared memory.
  const bytes = content.buffer instanceof SharedArrayBuffer ? content : new Uint8Array(content);
  return { kind: 'digest', algorithm, polynomial, bytes };
}

async function digestHere(algorithm: Algorithm, content: Content, signal: AbortSignal): Promise<string> {
  const hash = await startHash(algorithm);
  if (!isLarge(content)) {
    hash.update(content);
  } else {
    for await (const piece of piecesOf(content, STEP_BYTES)) {
      signal.throwIfAborted();
      hash.update(piece);
    }
  }
  return hash.digest('hex');
}

const newFlag = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));

function messageOf(reply: HashEnd): string {
  return reply.kind === 'failed' ? reply.message : 'the worker answered something else';
}

interface Pass {
  readonly sliceSizeBytes: number;
  readonly context: HashContext;
  readonly start: HashPosition | undefined;
  /** Chaining states, 20 bytes each, in pieces; grows. */
  readonly states: Uint8Array[];
}

async function hashSlices(source: Source<Content>, pass: Pass): Promise<string> {
  const { sliceSizeBytes, context, start, states } = pass;
  const sha1 = await createSHA1();
  if (start) sha1.load(start.state);
  for (let offset = start?.hashedBytes ?? 0; offset < source.sizeBytes; offset += sliceSizeBytes) {
    const length = Math.min(sliceSizeBytes, source.sizeBytes - offset);
    const content = await source.slice({ offset, length }, context.signal);
    try {
      let at = offset;
      for await (const piece of piecesOf(content, STEP_BYTES)) {
        sha1.update(piece);
        await nextTurn();
        context.signal.throwIfAborted();
        at += piece.length;
        context.onProgress(at);
      }
    } finally {
      source.release?.(content);
    }
    if (offset + length < source.sizeBytes) states.push(sha1.save().slice(4, 24));
  }
  return sha1.digest('hex');
}

function toParts(sha: string, states: readonly Uint8Array[], sizeBytes: number, sliceSizeBytes: number): UploadPart[] {
  const count = Math.max(1, Math.ceil(sizeBytes / sliceSizeBytes));
  const all = Buffer.concat(states);
  return Array.from({ length: count }, (_, index) => {
    const offset = index * sliceSizeBytes;
    return {
      offset,
      datalen: Math.min(sliceSizeBytes, sizeBytes - offset),
      datasha: index === count - 1 ? sha : all.toString('hex', index * STATE_BYTES, (index + 1) * STATE_BYTES),
    };
  });
}

function isFile(source: Source<Content>): source is FileSource<Content> {
  return 'fd' in source;
}
