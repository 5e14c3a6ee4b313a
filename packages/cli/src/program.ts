import { readFileSync } from 'node:fs';
import { Command as Commander, CommanderError, Option } from 'commander';
import type { Call, Command } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { EXIT, type FailureFacts, reportFailure, UsageError } from './failure.ts';
import { type Flag, flagNames, type Given } from './flags.ts';
import { LAYOUT, renderHelp, renderOverview } from './help.ts';

/** Runs the command line. @returns the exit code */
export async function run(argv: readonly string[]): Promise<number> {
  const named = argv.find((word) => !word.startsWith('-')) ?? '';
  const isKnown = Object.hasOwn(COMMANDS, named);
  const all = (): Promise<readonly Command[]> => Promise.all(Object.values(COMMANDS).map((load) => load()));
  const commands = isKnown ? await Promise.all([COMMANDS[named]?.() as Promise<Command>]) : await all();
  let exitCode: number = EXIT.done;
  const facts: FailureFacts = {};
  const program = createProgram();
  for (const command of commands) {
    addCommand(program, command, async (operands, given) => {
      exitCode = await command.run({ operands, given, argv, facts, commands: all });
    });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    const flags = isKnown ? (commands[0]?.flags ?? {}) : {};
    const report = { json: wantsJson(argv), facts, flagNames: flagNames(flags) };
    if (!(error instanceof CommanderError)) return reportFailure(error, report);
    // Help and version have been printed.
    if (error.exitCode === 0) return EXIT.done;
    if (error.code === 'commander.help') return EXIT.usage;
    const help = isKnown ? `cos-slice ${named} --help` : 'cos-slice --help';
    return reportFailure(new UsageError(`${tell(error)} See ${help}`), report);
  }
}

/** Also when the command line could not be understood. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes('--json');
}

/** What commander says, without the value of a flag that may be a misspelt `--secret-key=...`. */
function tell({ code, message }: CommanderError): string {
  const said = message.replace(/^error: /, '').replace(/[.?]?$/, (end) => end || '.');
  return code === 'commander.unknownOption' ? said.replace(/(unknown option '[^=']*)=.*?'(?=\.$|\n|$)/s, "$1'") : said;
}

function createProgram(): Commander {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (
    new Commander('cos-slice')
      .description(
        'Uploads and downloads that resume, and all else with files in buckets, over the JSON API (v4) and the XML API of Tencent Cloud COS, and S3; and a server that speaks the first.',
      )
      .version(version)
      // What goes wrong is reported by `run`, in one line.
      .configureOutput({ outputError: () => {} })
      .exitOverride()
      .configureHelp(LAYOUT)
      .addHelpText('after', () => renderOverview(columns()))
  );
}

/** Terminals without a size say 0. */
function columns(): number {
  return process.stdout.columns || 80;
}

function addCommand(
  program: Commander,
  command: Command,
  run: (operands: Call['operands'], given: Call['given']) => Promise<void>,
): void {
  const { name, summary, description, operands, flags } = command;
  const shown = program.command(name).summary(summary).description(description);
  // Commander wants the last one to be the one that there may be several of; `run` knows better.
  const isOpen = operands.slice(0, -1).some(({ usage }) => usage.includes('...'));
  for (const [index, { usage, doc }] of operands.entries()) {
    const isLast = index === operands.length - 1;
    shown.argument(isOpen ? usage.replace(/(\.{3})?>$/, isLast ? '...>' : '>') : usage, doc);
  }
  if (isOpen) shown.usage(['[options]', ...operands.map(({ usage }) => usage)].join(' '));
  const keys = Object.entries(flags).map(([key, flag]) => {
    const option = toOption(flag);
    shown.addOption(option);
    if (flag.opposite) shown.addOption(new Option(flag.opposite.usage, flag.opposite.doc));
    return [key, option.attributeName()] as const;
  });
  shown
    .addHelpText('after', () => renderHelp(command, columns()))
    .action(() => {
      const found: Readonly<Record<string, Given>> = shown.opts();
      return run(shown.args, Object.fromEntries(keys.map(([key, attribute]) => [key, found[attribute]])));
    });
}

function toOption({ usage, doc, required = false, repeatable = false }: Flag): Option {
  const option = new Option(usage, doc).makeOptionMandatory(required);
  return repeatable ? option.argParser((one: string, all: readonly string[] = []) => [...all, one]) : option;
}
