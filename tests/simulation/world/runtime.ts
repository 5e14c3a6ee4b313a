import { promisify } from 'node:util';
import type { Happening } from '@cos-slice/testkit/simulated/timeline';
import { current } from './current.ts';
import type { Process } from './world.ts';

// What client and server see instead of the runtime's globals of these names.

type Act = (...args: unknown[]) => void;

class SimulatedTimer {
  readonly #owner: Process = current().current;
  readonly #act: () => void;
  readonly #delayMs: number;
  readonly #repeats: boolean;
  #isStopped = false;
  #happening: Happening<Process> | undefined;

  /** Who has started it, to be told when it is left. */
  readonly origin: string | undefined = current().story && new Error('timer').stack?.split('\n').slice(3, 6).join(' ');

  constructor(act: () => void, delayMs: number, repeats: boolean) {
    this.#act = act;
    this.#delayMs = Math.max(1, delayMs);
    this.#repeats = repeats;
    this.refresh();
  }

  refresh(): this {
    this.#happening?.cancel();
    // One that was stopped stays so.
    if (!this.#owner.alive || this.#isStopped) return this;
    this.#owner.timers.add(this);
    this.#happening = current().after(this.#delayMs, this.#owner, () => {
      this.#owner.timers.delete(this);
      if (this.#repeats) this.refresh();
      this.#act();
    });
    return this;
  }

  stop(): void {
    this.#isStopped = true;
    this.#happening?.cancel();
    this.#owner.timers.delete(this);
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

export function setTimeout(act: Act, delayMs = 1, ...args: unknown[]): SimulatedTimer {
  return new SimulatedTimer(() => act(...args), delayMs, false);
}

export function setInterval(act: Act, delayMs = 1, ...args: unknown[]): SimulatedTimer {
  return new SimulatedTimer(() => act(...args), delayMs, true);
}

export function clearTimeout(timer: SimulatedTimer | undefined): void {
  timer?.stop();
}

export function clearInterval(timer: SimulatedTimer | undefined): void {
  timer?.stop();
}

export function setImmediate(act: Act, ...args: unknown[]): void {
  current().after(0, current().current, () => act(...args));
}
Object.defineProperty(setImmediate, promisify.custom, {
  value: () => new Promise<void>((resolve) => setImmediate(() => resolve())),
});

export const performance = {
  /** Not the wall's time, so that a mistake of one for the other shows. */
  now: (): number => {
    const world = current();
    return world.nowMs - world.current.startedAtMs + 1000;
  },
};

const SystemDate = Date;
class SimulatedDate extends SystemDate {
  static override now(): number {
    return Math.floor(current().wallMs());
  }
  constructor(...args: [] | [number]) {
    if (args.length === 0) super(SimulatedDate.now());
    else super(...args);
  }
}

export { SimulatedDate as Date };

const SystemMath = Math;
const SimulatedMath: Math = Object.create(SystemMath, { random: { value: () => current().random.next() } });

export { SimulatedMath as Math };

/** Threads share no files in it, as in Deno: so nothing leaves the thread that is simulated. */
const simulatedGlobal = { Deno: true };

export { simulatedGlobal as globalThis };
