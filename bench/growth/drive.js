// @ts-check
// What an upload costs besides its bytes: the whole driver against a transport that answers at once, with no time passing.
import { createLimiter, createUpload } from '@cos-slice/core';
import { heapMiB } from './plan.js';

/** @import { Clock, Hasher, Platform, ResumeRecord, Source, Transport, UploadOptions } from '@cos-slice/core' */

const MIB = 1024 * 1024;
const PLACE = { access_url: 'x', source_url: 'x', url: 'x', resource_path: 'x' };

/** @type {Hasher<null>} */
const NO_HASHER = {
  digest: () => Promise.reject(new Error('nothing is hashed here')),
  combine: () => Promise.reject(new Error('nothing is hashed here')),
  uploadParts: () => Promise.reject(new Error('nothing is hashed here')),
};

/** Time stands still: nothing in here waits for it. @type {Clock} */
const STILL = {
  nowMs: () => 1_600_000_000_000,
  monotonicMs: () => 0,
  sleep: (_delayMs, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
};

/** @param {number} sizeBytes @returns {Source<null>} */
function emptySource(sizeBytes) {
  return { sizeBytes, slice: () => Promise.resolve(null), identity: () => Promise.resolve('same') };
}

/**
 * @param {(fields: Readonly<Record<string, string>>) => string | Promise<string>} answer
 * @returns {Platform<null>}
 */
function platform(answer) {
  /** @type {Transport<null>} */
  const transport = {
    reportsProgress: true,
    async send(request, context) {
      context.onConnected();
      const body = await answer(Object.fromEntries(request.fields ?? []));
      context.onSent(request.content?.sizeBytes ?? 0);
      return { status: 200, header: () => undefined, body };
    },
  };
  return { transport, hasher: NO_HASHER, clock: STILL, random: () => 0.5 };
}

/** @param {object} data */
const success = (data) => JSON.stringify({ code: 0, message: 'SUCCESS', data });

/** @param {Readonly<Record<string, string>>} fields */
function storeEverything({ op, session, offset }) {
  if (op === 'upload_slice_init') return success({ session: 's', slice_size: MIB });
  if (op === 'upload_slice_data') return success({ session, offset: Number(offset), datalen: MIB });
  return success(PLACE);
}

/** @param {string} path @returns {UploadOptions} */
function optionsFor(path) {
  return {
    endpoint: 'http://127.0.0.1/files/v2',
    appId: '1',
    bucket: 'b',
    path,
    signer: () => 'c2lnbg==',
    singleRequestMax: 0,
    resume: false,
  };
}

/**
 * @param {number} uploads at once, sharing the places of one limiter
 * @param {number} requests of all of them together; two of each upload's are not slices
 */
export async function uploadsAtOnce(uploads, requests) {
  const sizeBytes = (Math.round(requests / uploads) - 2) * MIB;
  const concurrency = createLimiter({ min: 1, max: 8 });
  /** @type {() => void} */
  let open = () => {};
  const gate = new Promise((resolve) => {
    open = () => resolve(undefined);
  });
  const carrier = platform(async (fields) => {
    await gate;
    return storeEverything(fields);
  });
  const before = heapMiB();
  const cpuBefore = process.cpuUsage();
  const all = Array.from({ length: uploads }, (_, index) =>
    createUpload(async () => emptySource(sizeBytes), { ...optionsFor(`${index}`), concurrency }, carrier),
  );
  // Everyone gets as far as its first request and then waits.
  await new Promise((resolve) => setImmediate(resolve));
  const starting = process.cpuUsage(cpuBefore);
  const heapKiBPerUpload = ((heapMiB() - before) * 1024) / uploads;
  const cpuOpened = process.cpuUsage();
  open();
  await Promise.all(all.map((upload) => upload.done));
  const running = process.cpuUsage(cpuOpened);
  const micros = starting.user + starting.system + running.user + running.system;
  return { microsPerRequest: micros / requests, heapKiBPerUpload };
}

/** Seconds to resume a file of which all slices but the last are listed. @param {number} slices */
export async function resumeSeconds(slices) {
  const parts = Array.from({ length: slices - 1 }, (_, index) => `{"offset":${index * MIB},"datalen":${MIB}}`);
  const head = `"session":"s","slice_size":${MIB},"filesize":${slices * MIB}`;
  const list = `{"code":0,"message":"SUCCESS","data":{${head},"listparts":[${parts.join(',')}]}}`;
  /** @type {ResumeRecord} */
  const record = {
    version: 1,
    identity: 'same',
    sizeBytes: slices * MIB,
    sliceSizeBytes: MIB,
    session: 's',
    savedAtMs: STILL.nowMs(),
  };
  const resume = { load: async () => record, save: async () => {}, remove: async () => {} };
  const carrier = platform((fields) => (fields.op === 'upload_slice_list' ? list : storeEverything(fields)));
  const startedAtMs = performance.now();
  const upload = createUpload(async () => emptySource(slices * MIB), { ...optionsFor('r'), resume }, carrier);
  const { resumedBytes } = await upload.done;
  if (resumedBytes !== (slices - 1) * MIB) throw new Error(`${resumedBytes} bytes were resumed`);
  return (performance.now() - startedAtMs) / 1000;
}
