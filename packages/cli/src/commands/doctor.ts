import { proxyOf } from '@cos-slice/node';
import { bucketsOf, CLIENT, JSON_ONE, readClients } from '../clients.ts';
import type { Command } from '../command.ts';
import { runAgain } from '../command-line.ts';
import { readConnection } from '../connection.ts';
import type { Check, Finding } from '../doctor/finding.ts';
import { networkChecks } from '../doctor/network.ts';
import { serviceChecks } from '../doctor/service.ts';
import { EXIT, tellFailure, UsageError } from '../failure.ts';
import { type Flag, type Flags, flagNames, readFlags } from '../flags.ts';
import { wrap } from '../help.ts';
import { interruptible } from '../interrupt.ts';
import { asDirectory, parsePlace } from '../place.ts';
import { print, printJson } from '../print.ts';
import { NETWORK_VARIABLES, PROXY } from '../settings.ts';
import { toLine } from '../text.ts';
import { checkAll, count } from '../units.ts';

const ORIGIN: Flag<string | undefined> = {
  usage: '--origin <URL>',
  doc: 'of a page that is to upload, such as https://app.example: its CORS is tried, too',
  read(given, name) {
    if (given === undefined) return undefined;
    const text = String(given);
    if (!URL.canParse(text) || new URL(text).origin !== text.replace(/\/$/, '')) {
      throw new UsageError(`${name} must be an origin such as https://app.example, got '${text}'`);
    }
    return new URL(text).origin;
  },
};

const OWN = { origin: ORIGIN, json: JSON_ONE } as const satisfies Flags;
const FLAGS = { ...OWN, ...CLIENT };

/** What is wrong is to be told soon. */
const IMPATIENT = {
  retry: { attempts: 2, baseDelayMs: 200 },
  timeouts: { connectMs: 10_000, responseMs: 15_000, noProgressMs: 15_000 },
} as const;

export const doctor: Command = {
  name: 'doctor',
  summary: 'find out what is wrong, and what to set',
  description:
    'Tries everything that an upload needs, one after the other: endpoint, proxy, DNS, connection, TLS, server, clock, CORS, signature, bucket, and writing, reading and deleting a small object. It says what is wrong and what to set.',
  operands: [{ usage: '<BUCKET[/DIR]>', doc: 'the bucket to try, or a directory in it that may be written to' }],
  flags: FLAGS,
  notes: [
    'Its object is called cos-slice-doctor-... and is deleted again; nothing else is touched.',
    'The exit code is 1 when something is wrong. A warning is none.',
    'With --json: {"ok", "checks": [{"name", "status", "message", "durationMs"}, ...]}, where status is ok, warn, fail or skip.',
  ],
  examples: [
    'cos-slice doctor films',
    'cos-slice doctor films/incoming --origin https://app.example',
    'cos-slice doctor films --json | jq \'.checks[] | select(.status == "fail")\'',
  ],
  variables: { ...NETWORK_VARIABLES, NO_COLOR: 'no colours' },
  run({ operands: [target = ''], given, argv, facts }) {
    facts.path = target;
    const say = (): string => `interrupted; ${runAgain('to start over', argv, FLAGS)}`;
    return interruptible({ given, facts }, { say }, async (signal) => {
      const [{ bucket, path }, connection, clients, { origin, json, proxy }] = checkAll(
        () => parsePlace(target),
        () => readConnection(given, undefined, bucketsOf([target])),
        () => readClients(given, [target], IMPATIENT),
        () => readFlags({ ...OWN, proxy: PROXY }, given),
      );
      const client = clients(bucket);
      const reach = connection(bucket);
      const service = { reach, bucket, directory: asDirectory(path), proxy, origin, client };
      // With the bucket in its name, the host is another one.
      const endpoint = reach.wire === 'json' ? reach.endpoint : reach.address;
      const via = proxyOf(endpoint, proxy, process.env);
      const checks = [...networkChecks(endpoint, via, reach.wire), ...serviceChecks(service)];
      const found = await runChecks(checks, signal, async (row) => {
        if (!json) await print(renderRow(row));
      });
      const failed = found.filter(({ status }) => status === 'fail').length;
      const warned = found.filter(({ status }) => status === 'warn').length;
      if (json) await printJson({ ok: failed === 0, path: target, checks: found });
      else await print(`\n${sum(failed, warned)}`);
      return failed === 0 ? EXIT.done : EXIT.failed;
    });
  },
};

interface Row extends Finding {
  readonly name: string;
  readonly durationMs: number;
}

/** One after the other; what stands on something that is wrong is not tried. */
async function runChecks(
  checks: readonly Check[],
  signal: AbortSignal,
  tell: (row: Row) => Promise<void>,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let broken: string | undefined;
  for (const { name, run, isAside } of checks) {
    const startedAtMs = performance.now();
    const finding = await (broken === undefined
      ? run(signal).catch((error): Finding => {
          signal.throwIfAborted();
          return { status: 'fail', message: tellFailure(error, flagNames(FLAGS)) };
        })
      : ({ status: 'skip', message: `not tried: ${broken} comes first` } as const));
    if (finding.status === 'fail' && !isAside) broken ??= name;
    const row = {
      name,
      ...finding,
      message: toLine(finding.message),
      durationMs: Math.round(performance.now() - startedAtMs),
    };
    rows.push(row);
    await tell(row);
  }
  return rows;
}

const SIGNS = { ok: 'ok', warn: 'warn', fail: 'FAIL', skip: '-' } as const;
const COLORS = { ok: 32, warn: 33, fail: 31, skip: 2 } as const;
const NAME_COLUMNS = 'signature'.length;
const SIGN_COLUMNS = 4;
const INDENT = NAME_COLUMNS + SIGN_COLUMNS + 4;

function renderRow({ name, status, message }: Row): string {
  const { isTTY, columns } = process.stdout;
  const sign = SIGNS[status].padEnd(SIGN_COLUMNS);
  const shown = isTTY && !process.env.NO_COLOR ? `\u001b[${COLORS[status]}m${sign}\u001b[0m` : sign;
  // Whoever reads it in a file has lines as long as they come.
  const text = isTTY ? wrap(message, (columns || 80) - INDENT).replaceAll('\n', `\n${' '.repeat(INDENT)}`) : message;
  return `${shown}  ${name.padEnd(NAME_COLUMNS)}  ${text}`;
}

function sum(failed: number, warned: number): string {
  if (failed > 0) return `${count(failed, 'thing is', 'things are')} wrong.`;
  return warned > 0 ? `Uploads work; ${count(warned, 'warning')}.` : 'All is well.';
}
