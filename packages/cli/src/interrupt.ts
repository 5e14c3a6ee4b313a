import { setMaxListeners } from 'node:events';
import type { Call } from './command.ts';
import { CommandError, EXIT, endAtOnce } from './failure.ts';

/** What is under way gets so long, in ms, to come to its end: uploads and downloads do in less. What hangs never does. */
const LEAVE_MS = 10_000;

export interface Interruption {
  /** What is said of it, with how to go on. Called when the signal comes: before anything is broken off. */
  say(): string;
  /** Whether there is nothing yet that has to come to its end. */
  isIdle?(): boolean;
}

/**
 * Does something that Ctrl-C (or SIGTERM) breaks off. A second signal does not wait for it to end, nor does the first one for
 * ever.
 *
 * @throws CommandError `interrupted`, when it ended by that
 */
export async function interruptible<T>(
  { given, facts }: Pick<Call, 'given' | 'facts'>,
  { say, isIdle = () => false }: Interruption,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  // Whatever is under way listens, and there may be much.
  setMaxListeners(0, controller.signal);
  let interrupted: CommandError | undefined;
  let leaving: NodeJS.Timeout | undefined;
  const onSignal = (): void => {
    const isAgain = interrupted !== undefined;
    interrupted ??= new CommandError('interrupted', say(), EXIT.interrupted);
    const error = interrupted;
    const leave = (): never => endAtOnce(error, given.json === true, facts);
    // Whoever asks twice does not want to wait.
    if (isAgain || isIdle()) leave();
    leaving = setTimeout(leave, LEAVE_MS);
    controller.abort(error);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await run(controller.signal);
  } catch (error) {
    throw interrupted ?? error;
  } finally {
    clearTimeout(leaving);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
