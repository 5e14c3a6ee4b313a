import { Worker } from 'node:worker_threads';
import type { ObjectInfo, ObjectLabels, Target } from '../store.ts';
import type { Labels } from './labels.ts';
import type { Layout } from './layout.ts';
import { infoOf } from './objects.ts';
import type { SmallObject, SmallPlaced } from './place-small.d.ts';

const ROOM_BYTES = 64 * 1024;
/** What is not written to takes no memory. */
const ROOMS = 64;

/** Memory for the content of one small file. */
export interface Room {
  readonly index: number;
  readonly bytes: Uint8Array;
  /** It is for the next one. */
  leave(): void;
}

/** What the worker is started with. */
export interface SmallMemory {
  readonly memory: SharedArrayBuffer;
  readonly roomBytes: number;
}

/** What the worker is asked; many at a time. */
export interface SmallJob {
  readonly object: SmallObject;
  readonly room: number;
  readonly sizeBytes: number;
}

/**
 * Puts small objects in place in a worker thread, all that wait at once: each call of the file system that goes through the
 * thread pool costs more than the call itself, and an object takes a dozen.
 */
export interface SmallFiles {
  /** @returns undefined when all are taken */
  enter(): Room | undefined;
  /**
   * The caller holds the target's lock. Never fails.
   *
   * @returns undefined: nothing has been done, or nothing is known of it
   */
  place(
    room: Room,
    sizeBytes: number,
    target: Target,
    labels: ObjectLabels,
    overwrite: boolean,
  ): Promise<ObjectInfo | undefined>;
  close(): Promise<void>;
}

interface Asked {
  readonly job: SmallJob;
  resolve(placed: SmallPlaced): void;
}

/** Starts its thread when it is needed. It keeps the process alive only while it works. */
export function createSmallFiles(layout: Layout, labels: Labels): SmallFiles {
  const memory = new SharedArrayBuffer(ROOMS * ROOM_BYTES);
  const free = Array.from({ length: ROOMS }, (_, index) => index);
  /** Buckets where each attempt would be in vain. */
  const unfit = new Set<string>();
  /** In the order in which the thread gets to them; those from `posted` on are still to be told to it. */
  const asked: Asked[] = [];
  let posted = 0;
  let thread: Worker | undefined;
  let isBroken = false;

  function giveUp(): void {
    isBroken = true;
    posted = 0;
    for (const { resolve } of asked.splice(0)) resolve({});
  }

  function start(): Worker {
    const workerData: SmallMemory = { memory, roomBytes: ROOM_BYTES };
    // Without the parent's flags: a loader or an inspector port is not for the worker.
    const worker = new Worker(new URL('./small-worker.js', import.meta.url), { workerData, execArgv: [] });
    worker.on('message', (placed: SmallPlaced) => {
      posted--;
      asked.shift()?.resolve(placed);
      if (asked.length === 0) worker.unref();
    });
    worker.on('error', giveUp);
    worker.on('exit', giveUp);
    return worker;
  }

  function post(): void {
    const jobs = asked.slice(posted).map(({ job }) => job);
    posted = asked.length;
    try {
      thread ??= start();
    } catch {
      return giveUp();
    }
    thread.ref();
    thread.postMessage(jobs);
  }

  function ask(job: SmallJob): Promise<SmallPlaced> {
    return new Promise((resolve) => {
      asked.push({ job, resolve });
      // Once whoever else has one in this turn has said so.
      if (asked.length === posted + 1) setImmediate(post);
    });
  }

  return {
    enter() {
      const index = isBroken ? undefined : free.pop();
      if (index === undefined) return undefined;
      const bytes = new Uint8Array(memory, index * ROOM_BYTES, ROOM_BYTES);
      return { index, bytes, leave: () => void free.push(index) };
    },
    async place(room, sizeBytes, target, ownLabels, overwrite) {
      const bucket = layout.bucketDir(target);
      if (isBroken || unfit.has(bucket)) return undefined;
      const { sha } = ownLabels;
      const object: SmallObject = {
        path: layout.objectPath(target),
        spoolPath: layout.newSpoolPath(),
        labelsPath: layout.labelsPath(target),
        notePath: sha === undefined ? undefined : layout.contentPath(target, sha),
        labels: { ...ownLabels, path: target.path },
        overwrite,
      };
      const { facts, isNoted, isUnfit } = await ask({ object, room: room.index, sizeBytes });
      if (isUnfit) unfit.add(bucket);
      if (!facts) return undefined;
      // The file is in place already; without the note, its content is uploaded once more some day.
      if (!isNoted && sha !== undefined) await labels.noteHolder(target, sha).catch(() => {});
      return infoOf(facts, ownLabels);
    },
    async close() {
      await thread?.terminate();
    },
  };
}
