import {
  type Clock,
  createLimiter,
  createUpload,
  isCosSliceError,
  type Limiter,
  type Network as OnlineNetwork,
  type Upload,
  type UploadOptions,
} from '@cos-slice/core';
import { whenTaken } from '@cos-slice/core/when-taken';
import type { Network } from './network.ts';
import { createRecords, type Records } from './records.ts';
import type { ObjectRules } from './rules/objects.ts';
import { CANCELLED, isRightOutcome } from './rules/outcomes.ts';
import { createProgressRules } from './rules/progress.ts';
import type { SlicePromises } from './rules/promises.ts';
import type { ClientPlan, Interruption, Scenario, UploadPlan } from './scenario.ts';
import { type ClientFile, createSimulatedHasher, openFile, type SourceBook } from './source.ts';
import { keeps, speak } from './speech.ts';
import type { Machine, Process, World } from './world/world.ts';

const RESTART_MS = 5_000;

export interface Surroundings {
  readonly world: World;
  readonly scenario: Scenario;
  readonly network: Network;
  readonly objects: ObjectRules;
  readonly promises: SlicePromises;
}

export interface Client {
  /** All its uploads have ended. */
  readonly isOver: boolean;
  /** How each of its uploads ended: `done`, an error's code, or that it has not. */
  readonly outcomes: ReadonlyMap<string, string>;
  /** Complains of what is left when all has ended. */
  check(): void;
  heal(): void;
}

/** One upload, whichever process works at it. */
interface Undertaking {
  readonly plan: UploadPlan;
  readonly file: ClientFile;
  readonly listener: ReturnType<SlicePromises['listener']>;
  runs: number;
  startedAtMs: number;
  outcome: string | undefined;
  upload: Upload | undefined;
  cancel: AbortController;
}

/** A process that uploads, dies, and is started again until each of its uploads has come to an end. */
export function createClient(surroundings: Surroundings, plan: ClientPlan): Client {
  const { world, scenario, network, objects, promises } = surroundings;
  const machine: Machine = { name: plan.name, skewMs: plan.skewMs };
  const records = createRecords(world, scenario.recordsFailing, scenario.recordsMs);
  const book: SourceBook = { open: 0, slices: 0, filled: 0, bytes: 0, maxBytes: undefined };
  const undertakings = plan.uploads.map(
    (upload): Undertaking => ({
      plan: upload,
      file: { bytes: upload.content, version: 0 },
      listener: promises.listener(upload.name),
      runs: 0,
      startedAtMs: upload.startAtMs,
      outcome: undefined,
      upload: undefined,
      cancel: new AbortController(),
    }),
  );
  const allUploads = scenario.clients.flatMap(({ uploads }) => uploads);
  const switches = createSwitches();
  let process = startProcess();
  let limiter = newLimiter();

  function startProcess(): Process {
    const started = world.start(plan.name, machine);
    started.onDeath.add(() => {
      book.open = 0;
      book.slices = 0;
      book.filled = 0;
      book.bytes = 0;
      switches.reset();
      world.after(world.random.between(10, RESTART_MS), world.nature, () => {
        process = startProcess();
        limiter = newLimiter();
        for (const one of undertakings) {
          if (one.runs > 0 && one.outcome === undefined) world.after(0, process, () => begin(one));
        }
      });
    });
    return started;
  }

  function newLimiter(): Limiter | undefined {
    if (!plan.sharesLimiter) return undefined;
    const { concurrency = 4, sliceSize = 64, remembers } = plan.uploads[0] ?? {};
    // Not drawn, so that seeds stay what they were: memory for two slices where there is little.
    const maxMemory = remembers ? 2 * sliceSize : undefined;
    // What is hashed as a whole comes on top.
    if (plan.uploads.every(({ integrity }) => integrity !== 'sha1')) book.maxBytes = maxMemory;
    return createLimiter(concurrency, { maxMemory, nowMs: () => world.nowMs });
  }

  function begin(one: Undertaking): void {
    const { plan: upload, file, listener } = one;
    const own = process;
    one.runs += 1;
    one.cancel = new AbortController();
    listener.restart();
    const { bytes, version } = file;
    world.tell(`${upload.name} begins at ${upload.path}: ${bytes.length} bytes, ${upload.integrity}, run ${one.runs}`);
    const options: UploadOptions = {
      ...speak(scenario.speech, {
        lifetimeSec: plan.lifetimeSec,
        ask: () => askForSignature(own, listener.troubles),
        random: () => world.random.below(1e9),
      }),
      path: upload.path,
      sliceSize: upload.sliceSize,
      singleRequestMax: upload.singleRequestMax,
      concurrency: limiter ?? upload.concurrency,
      integrity: scenario.speech !== 'json' && upload.integrity === 'sha1' ? 'md5' : upload.integrity,
      overwrite: upload.overwrite,
      onConflict: upload.onConflict,
      ...(upload.attributes !== undefined && { attributes: upload.attributes }),
      resume: upload.remembers && records.store(own),
      retry: { attempts: upload.attempts },
      timeouts: { connectMs: upload.timeoutMs, responseMs: upload.timeoutMs, noProgressMs: upload.timeoutMs },
      signal: one.cancel.signal,
    };
    const platform = {
      transport: network.transport(own, listener),
      hasher: createSimulatedHasher(world, own),
      clock: clockOf(own),
      network: switches.network,
      random: () => world.random.next(),
      whenTaken: () => whenTaken,
    };
    const open = () => world.call(own, 1, () => openFile(world, own, file, book));
    const running = createUpload(open, options, platform);
    one.upload = running;
    const { concurrency } = plan.sharesLimiter ? (plan.uploads[0] ?? upload) : upload;
    const maxInFlight = typeof concurrency === 'number' ? concurrency : concurrency.max;
    running.subscribe(createProgressRules(world, upload.name, maxInFlight));
    running.done.then(
      ({ instant }) => {
        // Whoever was told that content is stored was told of what the file was when it was opened.
        if (file.version === version) objects.promised(upload, bytes, one.startedAtMs);
        end(one, instant ? 'instant' : 'done');
      },
      (error) => {
        judge(one, error);
        end(one, isCosSliceError(error) ? error.code : 'cancelled');
      },
    );
  }

  function judge(one: Undertaking, error: unknown): void {
    const { plan: upload, listener, runs, file } = one;
    const rivals = allUploads.filter(({ path, name }) => path === upload.path && name !== upload.name).length;
    const fileChanged = file.version > 0;
    const hasObject = objects.hasBeenSeen(upload.path);
    const facts = { scenario, plan: upload, troubles: listener.troubles, runs, rivals, fileChanged, hasObject };
    if (isRightOutcome(error, facts)) return;
    world.complain(
      `${upload.name} ends with ${error}, after ${runs} runs and ${JSON.stringify([...listener.troubles])}`,
    );
  }

  function end(one: Undertaking, outcome: string): void {
    world.tell(`${one.plan.name} ends: ${outcome}`);
    if (one.outcome !== undefined) world.complain(`${one.plan.name} ends twice`);
    one.outcome = outcome;
    one.upload = undefined;
  }

  function interrupt(one: Undertaking, interruption: Interruption): void {
    if (one.outcome !== undefined) return;
    world.tell(`${one.plan.name} meets: ${interruption.what}`);
    switch (interruption.what) {
      case 'die':
        process.callsLeft = Math.min(process.callsLeft, interruption.afterCalls);
        return;
      case 'pause': {
        const { upload } = one;
        upload?.pause();
        world.after(interruption.forMs, process, () => upload?.resume());
        return;
      }
      case 'offline':
        switches.set(false);
        world.after(interruption.forMs, process, () => switches.set(true));
        return;
      case 'cancel':
        one.cancel.abort(CANCELLED);
        return;
      case 'clock-jumps':
        machine.skewMs += interruption.byMs;
        return;
      case 'change-file': {
        one.listener.fileChanged();
        one.file.version += 1;
        one.file.bytes = Buffer.from(one.file.bytes.map((byte, index) => (index % 3 === 0 ? byte ^ 0xff : byte)));
        objects.expect(one.plan.path, one.file.bytes, one.plan.overwrite || !keeps(scenario.speech));
      }
    }
  }

  async function askForSignature(own: Process, troubles: Map<string, number>): Promise<void> {
    const { random } = world;
    const isFailing = random.chance(scenario.signerFailing);
    if (isFailing) troubles.set('signer', (troubles.get('signer') ?? 0) + 1);
    await world.call(own, random.next() * 5, () => {
      if (isFailing) throw new Error('the signer has no time');
    });
  }

  function clockOf(own: Process): Clock {
    return {
      nowMs: () => world.wallMs(machine),
      monotonicMs: () => world.nowMs - own.startedAtMs + 1000,
      sleep: (delayMs, signal) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) return reject(signal.reason);
          const timer = {};
          own.timers.add(timer);
          const settle = (): void => {
            happening.cancel();
            own.timers.delete(timer);
            signal.removeEventListener('abort', settle);
            if (signal.aborted) reject(signal.reason);
            else resolve();
          };
          // As the runtime's timers: never sooner.
          const happening = world.after(Math.max(1, delayMs), own, settle);
          signal.addEventListener('abort', settle);
        }),
    };
  }

  for (const one of undertakings) {
    const { path, content, overwrite, startAtMs, interruptions } = one.plan;
    objects.expect(path, content, overwrite || !keeps(scenario.speech));
    world.after(startAtMs, world.nature, () => {
      // One that is about to be started again begins then.
      one.runs ||= process.alive ? 0 : 1;
      if (process.alive) world.after(0, process, () => begin(one));
    });
    for (const interruption of interruptions) {
      world.after(startAtMs + interruption.atMs, world.nature, () => {
        if (process.alive) world.after(0, process, () => interrupt(one, interruption));
      });
    }
  }

  return {
    get isOver() {
      return undertakings.every(({ outcome }) => outcome !== undefined);
    },
    get outcomes() {
      return new Map(undertakings.map(({ plan: { name }, outcome = 'has not ended' }) => [name, outcome]));
    },
    check: () =>
      checkNothingLeft(world, { name: plan.name, process, book, records, limiter, listeners: switches.count }),
    heal: () => records.heal(),
  };
}

interface Leftovers {
  readonly name: string;
  readonly process: Process;
  readonly book: SourceBook;
  readonly records: Records;
  readonly limiter: Limiter | undefined;
  readonly listeners: number;
}

function checkNothingLeft(world: World, { name, process, book, records, limiter, listeners }: Leftovers): void {
  const left = (count: number, what: string): void => {
    if (count > 0) world.complain(`${name} is through and has ${count} ${what}`);
  };
  left(process.timers.size, 'timers');
  left(process.calls.size, 'calls under way');
  left(book.open, 'open sources');
  left(book.slices, 'slices in memory');
  left(records.locked().length, 'locks');
  left(listeners, 'listeners');
  if (!limiter) return;
  let free = 0;
  const never = new AbortController().signal;
  for (let i = 0; i < limiter.limit; i++) void limiter.acquire(never).then(() => free++);
  world.after(1, process, () => left(limiter.limit - free, 'places that nobody has given back'));
}

/** Whether there is a network, as the client's machine says. */
function createSwitches(): {
  network: OnlineNetwork;
  set(online: boolean): void;
  reset(): void;
  readonly count: number;
} {
  const listeners = new Set<() => void>();
  let isOnline = true;
  return {
    network: {
      online: () => isOnline,
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    set(online) {
      isOnline = online;
      for (const listener of [...listeners]) listener();
    },
    reset() {
      isOnline = true;
      listeners.clear();
    },
    get count() {
      return listeners.size;
    },
  };
}
