import { createRandom, type Random } from '@cos-slice/testkit/simulated/random';
import { createTimeline, type Happening, type Timeline } from '@cos-slice/testkit/simulated/timeline';

/** A computer: the processes on it share its clock. */
export interface Machine {
  readonly name: string;
  /** What its wall clock shows beyond the true time, in ms. */
  skewMs: number;
}

/** Something that runs, and may die at any of its calls to the world outside. Nothing of it is left then but what it has stored. */
export interface Process {
  readonly name: string;
  readonly machine: Machine;
  readonly startedAtMs: number;
  alive: boolean;
  /** Calls to the world outside until it dies. */
  callsLeft: number;
  readonly timers: Set<object>;
  readonly calls: Set<PendingCall>;
  /** Open files. */
  readonly handles: Set<object>;
  readonly onDeath: Set<() => void>;
}

interface PendingCall {
  readonly happening: Happening<Process>;
  readonly act: () => void;
}

/** Thrown by calls that cannot wait when their process dies in them. */
export class Death extends Error {
  override readonly name = 'Death';
}

/** When everything simulated begins: a Thursday in 2023. */
const EPOCH_MS = 1_700_000_000_000;
/** Immediates that are queued at a time: turns of the real event loop cost more than what happens in them. */
const BATCH = 64;
/** A world in which more happens than this turns in circles. */
const MAX_HAPPENINGS = 100_000;

/**
 * Simulated time and whoever lives in it. One thing happens at a time, to one process; then everything that it leads to without
 * waiting for the world outside runs to its end (promises, ticks, streams), and only then the next thing happens. So at every
 * moment it is known which process runs, and the same seed is the same story.
 */
export class World {
  readonly seed: number;
  readonly random: Random;
  readonly timeline: Timeline<Process>;
  /** What has gone wrong. */
  readonly problems: string[] = [];
  /** What has happened, line by line, when somebody wants to know. */
  readonly story: string[] | undefined;
  /** Whoever acts when nobody does. */
  readonly nature: Process;
  current: Process;
  happenings = 0;

  constructor(seed: number, isTold: boolean) {
    this.seed = seed;
    this.random = createRandom(seed);
    this.timeline = createTimeline();
    this.story = isTold ? [] : undefined;
    this.nature = this.start('the world', { name: 'the world', skewMs: 0 });
    this.current = this.nature;
  }

  get nowMs(): number {
    return this.timeline.nowMs;
  }

  wallMs(machine: Machine = this.current.machine): number {
    return EPOCH_MS + this.timeline.nowMs + machine.skewMs;
  }

  start(name: string, machine: Machine): Process {
    return {
      name,
      machine,
      startedAtMs: this.timeline.nowMs,
      alive: true,
      callsLeft: Number.POSITIVE_INFINITY,
      timers: new Set(),
      calls: new Set(),
      handles: new Set(),
      onDeath: new Set(),
    };
  }

  tell(line: string): void {
    if (!this.story) return;
    const seconds = (this.timeline.nowMs / 1000).toFixed(3).padStart(9);
    this.story.push(`${seconds} ${line}`);
  }

  complain(problem: string): void {
    this.tell(`!!! ${problem}`);
    this.problems.push(problem);
  }

  /** Something that will happen to a process, unless it has died by then. */
  after(delayMs: number, owner: Process, act: () => void): Happening<Process> {
    return this.timeline.after(delayMs, owner, act);
  }

  /** A call to the world outside: the process may die in it. @returns whether it lives */
  touch(process: Process): boolean {
    if (!process.alive) return false;
    process.callsLeft -= 1;
    if (process.callsLeft === 0) {
      this.kill(process);
      return false;
    }
    return true;
  }

  /** A call that takes its time. What a process that dies has begun may come to its end, or not. */
  call<T>(process: Process, delayMs: number, act: () => T): Promise<T> {
    if (!this.touch(process)) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      };
      const pending: PendingCall = {
        act: settle,
        happening: this.after(delayMs, process, () => {
          process.calls.delete(pending);
          settle();
        }),
      };
      process.calls.add(pending);
    });
  }

  sleep(process: Process, delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, process, resolve));
  }

  kill(process: Process): void {
    if (!process.alive) return;
    process.alive = false;
    this.tell(`${process.name} dies`);
    for (const { happening, act } of process.calls) {
      happening.cancel();
      if (this.random.chance(0.5)) act();
    }
    process.calls.clear();
    process.timers.clear();
    process.handles.clear();
    for (const act of [...process.onDeath]) act();
    process.onDeath.clear();
  }

  /** Lets things happen until something is true, time is up, or something has gone wrong. @returns whether it has become true */
  run(isOver: () => boolean, untilMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    return new Promise((resolve) => {
      let ended = false;
      const step = (): void => {
        if (ended) return;
        this.current = this.nature;
        const over = isOver();
        // The story ends where it goes wrong.
        const isSpoilt = this.problems.length > 0;
        const next = over || isSpoilt ? undefined : this.timeline.next(untilMs);
        if (!next) {
          ended = true;
          resolve(over);
          return;
        }
        const { owner } = next;
        if (!owner.alive) return;
        this.happenings += 1;
        if (this.happenings === MAX_HAPPENINGS) this.complain('everything turns in circles');
        this.current = owner;
        next.act();
      };
      const turn = (): void => {
        for (let i = 0; i < BATCH && !ended; i++) setImmediate(step);
        if (!ended) setImmediate(turn);
      };
      turn();
    });
  }
}
