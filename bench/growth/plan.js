// @ts-check
// What deciding costs: the state machine and its plan, without anything that carries the decisions out.
// They are not part of the package's names, so they come from where the build puts them.
const dist = new URL('../../packages/core/dist/upload/', import.meta.url);
/** @type {typeof import('../../packages/core/src/upload/plan.ts')} */
const { plan } = await import(new URL('plan.js', dist).href);
/** @type {typeof import('../../packages/core/src/upload/state.ts')} */
const { initialState } = await import(new URL('state.js', dist).href);
/** @type {typeof import('../../packages/core/src/upload/transition.ts')} */
const { transition } = await import(new URL('transition.js', dist).href);
/** @type {typeof import('../../packages/core/src/upload/detours.ts')} */
const { detours } = await import(new URL('detours.js', dist).href);

const MIB = 1024 * 1024;
const CONCURRENCY = 8;
/** Slices measured at one place of a large file. */
const STRETCH = 50_000;
/** Kept at once while memory is measured, so that what else is on the heap does not show. */
const COPIES = 64;

/** @param {number} sizeBytes */
function opening(sizeBytes) {
  const retry = { attempts: 10, attemptsPerUpload: 100, baseDelayMs: 500, maxDelayMs: 30_000 };
  const job = {
    sizeBytes,
    sliceSizeBytes: MIB,
    singleMaxBytes: -1,
    integrity: /** @type {const} */ ('none'),
    overwrite: false,
    onConflict: /** @type {const} */ ('error'),
    retry,
  };
  const state = transition(initialState(job), { type: 'source-opened', run: 0, sizeBytes, sliceSizeBytes: MIB });
  return transition(state, { type: 'recalled', run: 1, session: 's' });
}

/** A file whose slices in `ranges` are stored. @param {number} sizeBytes @param {{ offset: number, length: number }[]} stored */
function sendingState(sizeBytes, stored) {
  const state = opening(sizeBytes);
  if (!('run' in state)) throw new Error('the upload has not begun');
  const reply = {
    kind: /** @type {const} */ ('listed'),
    session: 's',
    sliceSizeBytes: MIB,
    serial: false,
    sessionDelete: false,
    stored,
  };
  const next = transition(state, { type: 'replied', run: state.run, reply }, detours);
  if (next.phase !== 'sending') throw new Error(`the upload is ${next.phase}`);
  return next;
}

/**
 * CPU time for a slice from start to stored, in microseconds: two events, and after each a new plan, as the driver does it.
 *
 * @param {number} sizeBytes
 */
export function planMicrosPerSlice(sizeBytes) {
  const slices = Math.ceil(sizeBytes / MIB);
  const stretch = Math.min(slices - 1, STRETCH);
  // The beginning, the middle and the end cost the same only if nothing grows with what is stored.
  const places = slices <= STRETCH ? [0] : [0, Math.floor((slices - stretch) / 2), slices - stretch - 1];
  let micros = 0;
  let measured = 0;
  do {
    for (const from of places) {
      micros += runStretch(sizeBytes, from, stretch);
      measured += stretch;
    }
  } while (measured < STRETCH);
  return micros / measured;
}

/** @param {number} sizeBytes @param {number} from @param {number} count */
function runStretch(sizeBytes, from, count) {
  /** @type {import('../../packages/core/src/upload/state.ts').UploadState} */
  let state = sendingState(sizeBytes, from === 0 ? [] : [{ offset: 0, length: from * MIB }]);
  const run = 'run' in state ? state.run : 0;
  const reply = { kind: /** @type {const} */ ('stored') };
  /** @type {Set<string>} */
  const running = new Set();
  /** @type {{ key: string, slice: number }[]} */
  const inFlight = [];
  const limits = { concurrency: CONCURRENCY };
  // Of CPU time, since the machine may be busy with something else.
  const cpuBefore = process.cpuUsage();
  let commands = plan(state, limits, 0);
  for (let stored = 0; stored < count; stored += 1) {
    for (const command of commands) {
      if (command.type !== 'send' || running.has(command.key)) continue;
      running.add(command.key);
      inFlight.push({ key: command.key, slice: command.slice });
      state = transition(state, { type: 'started', run, slice: command.slice });
      plan(state, limits, 0);
    }
    const first = inFlight.shift();
    if (!first) break;
    running.delete(first.key);
    state = transition(state, { type: 'replied', run, slice: first.slice, reply });
    commands = plan(state, limits, 0);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return user + system;
}

/**
 * Memory that the state of a file takes when slices are stored all over it, in MiB.
 *
 * @param {number} sizeBytes
 */
export function stateMiB(sizeBytes) {
  const stored = [];
  for (let offset = 0; offset + MIB <= sizeBytes; offset += 4096 * MIB) stored.push({ offset, length: MIB });
  const kept = [sendingState(sizeBytes, stored)];
  const before = heapMiB();
  for (let copy = 0; copy < COPIES; copy += 1) kept.push(sendingState(sizeBytes, stored));
  const after = heapMiB();
  if (kept.some((state) => state.stored.count !== stored.length)) throw new Error('not all is stored');
  return (after - before) / COPIES;
}

export function heapMiB() {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MIB;
}
