import { type Client, isCosSliceError, type TransferOptions } from '@cos-slice/node';
import type { Batch } from './batch.ts';
import { CLIENT, find, JSON_ONE, readClients } from './clients.ts';
import type { Call, Command } from './command.ts';
import { ownCommand, runAgain } from './command-line.ts';
import { wireFor } from './connection.ts';
import { CommandError, EXIT, UsageError } from './failure.ts';
import { type Flags, readFlags, switchFlag } from './flags.ts';
import { interruptible } from './interrupt.ts';
import { asDirectory, isDirectory, nameOfPath, type Place, parsePath, parsePlace, showPlace } from './place.ts';
import { print, printJson } from './print.ts';
import { NETWORK_VARIABLES } from './settings.ts';
import { quoteWord, toName } from './text.ts';
import { checkAll, count } from './units.ts';

const OWN = {
  overwrite: switchFlag('--overwrite', 'replace a file that is at the target'),
  json: JSON_ONE,
} as const satisfies Flags;

/** What `mv` and `cp` say of themselves and do differently. */
export interface Transfer extends Pick<Command, 'name' | 'summary' | 'description' | 'notes' | 'examples'> {
  /** Beside those that both have. */
  readonly flags: Flags;
  /** Whether it takes directories, and transfers one at once. */
  readonly directories: boolean;
  readonly past: string;
  run(client: Client, from: string, to: string, options: TransferOptions): Promise<void>;
  /** Transfers what is at a path file by file, where flags say so. @returns undefined: they do not */
  runEach?(
    call: Call,
    bucket: string,
    paths: { readonly from: string; readonly to: string },
    signal: AbortSignal,
  ): Batch | undefined;
}

/** A command that brings something from one path of a bucket to another. */
export function createTransferCommand(command: Transfer): Command {
  const { directories, flags: more, past, run: transfer, runEach, ...texts } = command;
  const flags = { ...OWN, ...more, ...CLIENT };
  return {
    ...texts,
    operands: [
      { usage: '<BUCKET/FROM>', doc: directories || runEach ? 'a file or a directory' : 'a file' },
      {
        usage: '<BUCKET/TO>',
        doc: 'the new path; one that ends in / is a directory, and what comes into it keeps its name',
      },
    ],
    flags,
    variables: NETWORK_VARIABLES,
    run(call) {
      const {
        operands: [source = '', target = ''],
        given,
        argv,
        facts,
      } = call;
      facts.path = source;
      let batch: Batch | undefined;
      const look = (): string => `${ownCommand()} stat ${quoteWord(target)}`;
      const say = (): string => {
        batch?.hide();
        if (!batch) return `interrupted; it may have been done all the same: see ${look()}`;
        const { files } = batch.state().transferred;
        return `interrupted, ${count(files, 'file')} transferred; ${runAgain('to go on', argv, flags)}`;
      };
      return interruptible({ given, facts }, { say }, async (signal) => {
        const [{ from, wanted }, clients, { overwrite, json }] = checkAll(
          () => parseBoth(source, target, command.name),
          () => readClients(given, [source]),
          () => readFlags(OWN, given),
        );
        const { bucket } = from;
        const client = clients(bucket);
        const { path, kind } = await find(client, from.path, signal);
        const to = targetOf(wanted.path, path);
        const [shown, shownTo] = [showPlace({ bucket, path }), showPlace({ bucket, path: to })];
        if (to === path) throw new UsageError(`${shown} is there already: give another path`);
        if (kind === 'directory' && to.startsWith(path)) {
          throw new UsageError(`${shown} cannot come to ${shownTo}, which is in it: give a path outside of it`);
        }
        batch = runEach?.(call, bucket, { from: path, to }, signal);
        if (batch) return batch.done;
        if (kind === 'directory' && !directories) {
          throw new CommandError('wrong-kind', `${shown} is a directory: give a file, or -r for all that is in it`);
        }
        if (kind === 'directory' && wireFor(bucket, given) !== 'json') {
          const how = `cos and s3 have only files: ${ownCommand()} cp -r it, and rm -r it then`;
          throw new UsageError(`${shown} is a directory, and ${how}`);
        }
        await transfer(client, path, to, { signal, overwrite }).catch(async (error) => {
          throw (await directoryInTheWay(client, { bucket, path: to }, error, signal)) ?? error;
        });
        if (json) await printJson({ ok: true, path: shownTo, from: shown });
        else await print(`${toName(shown)} ${past} ${toName(shownTo)}`);
        return EXIT.done;
      });
    },
  };
}

function parseBoth(source: string, target: string, name: string): { readonly from: Place; readonly wanted: Place } {
  const [from, wanted] = checkAll(
    () => parsePath(source),
    () => parsePlace(target),
  );
  if (from.bucket === wanted.bucket) return { from, wanted };
  throw new UsageError(`${name} stays in one bucket: from ${from.bucket} to ${wanted.bucket}, get it and put it there`);
}

/** A directory at a target without a slash at its end: perhaps it is to come into it. */
async function directoryInTheWay(
  client: Client,
  { bucket, path }: Place,
  error: unknown,
  signal: AbortSignal,
): Promise<CommandError | undefined> {
  if (!isCosSliceError(error, 'exists')) return undefined;
  const there = await client.stat(asDirectory(path), { signal }).catch(() => undefined);
  if (there === undefined) return undefined;
  const place = showPlace({ bucket, path: there.path });
  return new CommandError('exists', `a directory is there already: choose another path, or ${place} to come into it`);
}

/** What ends in a slash is a directory to come into. */
function targetOf(wanted: string, path: string): string {
  const to = isDirectory(wanted) ? `${wanted}${nameOfPath(path)}` : wanted;
  return isDirectory(path) ? asDirectory(to) : to;
}
