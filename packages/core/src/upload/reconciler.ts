import type { Clock } from '../ports.ts';

/** Why a piece of work was aborted when the plan no longer had it. */
export const NOT_PLANNED: unique symbol = Symbol('not planned');

/** How long aborted work may take to notice. Then it is written off: whatever it still does is nobody's concern. */
const STRAGGLE_MS = 1_000;

export interface ReconcilerOptions<Command extends { readonly key: string }, Event> {
  readonly clock: Clock;
  /** What should be running now, in the order in which it is to be started. Commands with the same key are the same work. */
  plan(): readonly Command[];
  /** Carries a command out; the outcome. Aborting the controller ends it. */
  run(command: Command, controller: AbortController): Promise<Event | undefined>;
  /** What it means that a command has failed, or was aborted for a reason. */
  fail(command: Command, cause: unknown): Event | undefined;
  /** A piece of work is over. */
  emit(event: Event | undefined): void;
}

export interface Reconciler {
  /** Starts what is planned and not running, and aborts what is running and no longer planned. */
  reconcile(): void;
  /** Pieces of work that are not over. */
  readonly busy: number;
}

interface Work<Command> {
  readonly command: Command;
  readonly controller: AbortController;
  /** Ends the time that it may take to notice that it was aborted. */
  straggling?: AbortController;
}

/** Makes what runs follow what is planned, piece by piece of keyed work. It decides nothing, and knows nothing of the work. */
export function createReconciler<Command extends { readonly key: string }, Event>(
  options: ReconcilerOptions<Command, Event>,
): Reconciler {
  const running = new Map<string, Work<Command>>();

  const start = (command: Command): void => {
    const work = { command, controller: new AbortController() };
    running.set(command.key, work);
    options.run(command, work.controller).then(
      (event) => end(work, event),
      (cause) => fail(work, cause),
    );
  };
  const end = (work: Work<Command>, event: Event | undefined): void => {
    const { key } = work.command;
    // Written off already.
    if (running.get(key) !== work) return;
    work.straggling?.abort();
    running.delete(key);
    options.emit(event);
  };
  // Whatever was thrown on the way out, the reason of an abort is why it ended.
  const fail = (work: Work<Command>, cause?: unknown): void => {
    const { aborted, reason } = work.controller.signal;
    end(work, options.fail(work.command, aborted ? reason : cause));
  };
  const stop = (work: Work<Command>): void => {
    work.straggling = new AbortController();
    options.clock.sleep(STRAGGLE_MS, work.straggling.signal).then(
      () => fail(work),
      () => {},
    );
    work.controller.abort(NOT_PLANNED);
  };

  return {
    get busy() {
      return running.size;
    },
    reconcile() {
      const commands = options.plan();
      const planned = new Set(commands.map(({ key }) => key));
      for (const [key, work] of running) {
        if (!planned.has(key) && !work.controller.signal.aborted) stop(work);
      }
      for (const command of commands) {
        const work = running.get(command.key);
        // Aborted and planned again: what comes after it waits until it can start, so that what is started in order runs in order.
        if (work?.controller.signal.aborted) break;
        if (!work) start(command);
      }
    },
  };
}
