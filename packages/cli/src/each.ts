import { isCosSliceError } from '@cos-slice/node';
import type { Call } from './command.ts';
import { CommandError, EXIT, reportFailure } from './failure.ts';
import { type Flags, flagNames } from './flags.ts';

/** What is wrong with one thing, and not with all that would be asked for. */
const OF_ONE: ReadonlySet<string> = new Set([
  'usage',
  'invalid-options',
  'not-found',
  'wrong-kind',
  'not-empty',
  'exists',
  'bad-request',
  'source-unreadable',
]);

/** Whether a failure says nothing of what else would be asked for. */
export function isOfOne(error: unknown): boolean {
  return (error instanceof CommandError || isCosSliceError(error)) && OF_ONE.has(error.code);
}

/**
 * Does something to each of several things. What fails is told by its name, and the rest goes on.
 *
 * @returns the exit code
 * @throws what would fail for all of them
 */
export async function forEach<T>(
  things: readonly T[],
  { given, flags, nameOf }: Pick<Call, 'given'> & { readonly flags: Flags; nameOf(thing: T): string },
  act: (thing: T) => Promise<unknown>,
): Promise<number> {
  let exitCode: number = EXIT.done;
  for (const thing of things) {
    try {
      await act(thing);
    } catch (error) {
      if (!isOfOne(error) || things.length === 1) throw error;
      const path = nameOf(thing);
      const report = { json: given.json === true, facts: { path }, flagNames: flagNames(flags), subject: path };
      exitCode = Math.max(exitCode, reportFailure(error, report));
    }
  }
  return exitCode;
}
