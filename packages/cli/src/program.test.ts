import { readFile } from 'node:fs/promises';
import { describeOptions } from '@cos-slice/node';
import { expect, test } from 'vitest';
import { ownCommand, withoutSecrets, withSettings } from './command-line.ts';
import { COMMANDS } from './commands/index.ts';
import { upload } from './commands/upload.ts';
import { flagNames } from './flags.ts';
import { CONNECTION } from './settings.ts';
import { runCli } from './testing/cli.ts';
import { formatSize } from './units.ts';

const HELP = {
  upload: [
    '--endpoint',
    '--app-id',
    '--secret-id',
    '--secret-key',
    '--sign-url',
    '--credentials-url',
    '--integrity',
    '--slice-size',
    '--concurrency',
    '--overwrite',
    '--on-conflict',
    '--no-resume',
    '--json',
    'COS_SLICE_ENDPOINT',
    'COS_SIGN_URL',
    'COS_SECRET_KEY',
  ],
  serve: [
    '--root',
    '--port',
    '--host',
    '--bucket',
    '--app-id',
    '--secret-id',
    '--secret-key',
    '--public-read',
    '--slice-size',
    'COS_SECRET_KEY',
  ],
  sign: ['--once', '--expires', '--bind', '--no-bind', '--json', 'COS_SECRET_KEY'],
};

test.each(Object.entries(HELP))(
  '%s --help names its flags and variables, examples and exit codes',
  async (command, words) => {
    const { code, stdout, stderr } = await runCli([command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const word of [...words, 'Examples:', 'Exit codes:', '130']) expect(stdout).toContain(word);
  },
);

/** They are for programs, or stand on the command line without a flag. */
const NO_FLAG = /^(bucket|path|singleRequestMax|retry\..*|timeouts\..*)$/;

test('every option of the library has a flag, and help says its limits and its default', async () => {
  const { stdout } = await runCli(['upload', '--help']);
  const flags = flagNames(upload.flags);
  for (const row of describeOptions()) {
    if (NO_FLAG.test(row.name)) continue;
    const flag = flags[row.name.replace(/\..*/, '')];
    expect(flag, `a flag for ${row.name}`).toBeDefined();
    const text = stdout.split(`  ${flag} `)[1]?.split('\n  -')[0]?.replace(/\s+/g, ' ');
    if (row.kind === 'whole') {
      const show = row.unit === 'bytes' ? formatSize : String;
      for (const value of [row.min, row.max, row.default]) expect(text).toMatch(new RegExp(`\\b${show(value)}\\b`));
    }
    if (row.kind === 'choice' && typeof row.default === 'string') {
      expect(text).toContain(`default: ${row.default}`);
      for (const choice of row.choices) expect(text).toMatch(new RegExp(`\\b${choice}\\b`));
    }
  }
});

test.each(Object.keys(COMMANDS))('%s fits a terminal of 80 columns, but for its examples', async (command) => {
  const { stdout } = await runCli([command, '--help']);
  const [flags = ''] = stdout.split('Examples:');
  for (const line of flags.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test('--help leads to the commands, --version tells the version', async () => {
  const help = await runCli(['--help']);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  for (const command of Object.keys(HELP)) expect(help.stdout).toContain(command);
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('without a command it shows its help, as an error', async () => {
  const { code, stdout, stderr } = await runCli([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('Usage: cos-slice');
});

test('an unknown command is one line that may know what was meant', async () => {
  const { code, stdout, stderr } = await runCli(['uplaod', 'a', 'b']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^cos-slice: unknown command 'uplaod' .*upload.*--help\n$/);
});

test.each<[argv: string[], told: string, left?: string[]]>([
  [['upload', 'a b.bin', 'demo/x'], "cos-slice upload 'a b.bin' demo/x"],
  [['upload', 'a', 'b', '--secret-key', 'KEY', '--json'], 'cos-slice upload a b --json', ['--secret-key']],
  [['upload', '--secret-key=KEY=', 'a', "it's"], "cos-slice upload a 'it'\\''s'", ['--secret-key']],
  [['upload', 'a', 'b', '--sign-url', 'https://me:KEY@host/'], 'cos-slice upload a b', ['--sign-url']],
  [['upload', 'a', 'b', '--sign-url=https://host/?token=KEY'], 'cos-slice upload a b', ['--sign-url']],
  [['upload', 'a', 'b', '--sign-url=https://host/sign'], 'cos-slice upload a b --sign-url https://host/sign'],
  [['upload', 'a', 'b', '--proxy', 'http://me:KEY@proxy:3128'], 'cos-slice upload a b', ['--proxy']],
  [['upload', '--', '--secret-key', 'b'], 'cos-slice upload -- --secret-key b'],
])('%j is told without secrets', (argv, typed, left = []) => {
  expect(withoutSecrets(argv, upload.flags, 'cos-slice')).toEqual({ typed, left });
});

test('settings are printed as the shell at hand takes them: those of Windows know no variables before a command', () => {
  const settings = [
    [CONNECTION.endpoint, 'http://127.0.0.1:9000/files/v2'],
    [CONNECTION.secretId, 'my id'],
  ] as const;
  expect(withSettings('upload FILE demo/', settings, 'linux')).toBe(
    `COS_SLICE_ENDPOINT=http://127.0.0.1:9000/files/v2 COS_SECRET_ID='my id' ${ownCommand()} upload FILE demo/`,
  );
  expect(withSettings('upload FILE demo/', settings, 'win32')).toBe(
    `${ownCommand()} upload FILE demo/ --endpoint http://127.0.0.1:9000/files/v2 --secret-id "my id"`,
  );
});
