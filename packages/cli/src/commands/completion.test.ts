import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wordsOf } from '../completion/words.ts';
import { hasTerminal, runCli, startOnTerminal } from '../testing/cli.ts';
import { COMMANDS } from './index.ts';

const SHELLS = ['bash', 'zsh', 'fish'];
const isThere = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

let folder: string;
const scriptOf = (shell: string): string => join(folder, `completion.${shell}`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cos-slice-completion-'));
  await Promise.all([writeFile(join(folder, 'a file.bin'), ''), writeFile(join(folder, 'other.bin'), '')]);
  for (const shell of SHELLS) {
    const { code, stdout, stderr } = await runCli(['completion', shell]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await writeFile(scriptOf(shell), stdout);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(SHELLS)('for %s has every command, flag and choice', async (shell) => {
  const { stdout } = await runCli(['completion', shell]);
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  for (const { name, flags, operands } of commands.map(wordsOf)) {
    expect(stdout).toMatch(new RegExp(`\\b${name}\\b`));
    for (const { long, value } of flags) {
      expect(stdout).toContain(shell === 'fish' ? `-l ${long.slice(2)}` : long);
      if (Array.isArray(value)) expect(stdout).toContain(value.join(' '));
    }
    for (const { value } of operands) if (Array.isArray(value)) expect(stdout).toContain(value.join(' '));
  }
});

test('for another shell is refused', async () => {
  const { code, stderr } = await runCli(['completion', 'tcsh']);
  expect(code).toBe(2);
  expect(stderr).toBe("cos-slice: the shell must be bash, zsh or fish, got 'tcsh'\n");
});

/** What is typed, and what it may become. */
const CASES: [typed: string[], found: string[]][] = [
  [['up'], ['upload']],
  [
    ['completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [
    ['upload', '--integrity', ''],
    ['crc64', 'md5', 'none', 'sha1'],
  ],
  [['upload', '--no-res'], ['--no-resume']],
  [['upload', '--secret-key', 'x', 'oth'], ['other.bin']],
  [['sign', '--no'], ['--no-bind']],
  [['ls', 'oth'], []],
];

describe.runIf(isThere('bash'))('bash', () => {
  test.each(CASES)('completes %j', (typed, found) => {
    // Files are readline's, when the function finds nothing and does not say that there are none.
    const script = `compopt() { isClosed=1; }; source "$1"; shift; COMP_WORDS=(cos-slice "$@"); COMP_CWORD=$#; _cos_slice
      [[ \${#COMPREPLY[@]} -gt 0 || $isClosed ]] || COMPREPLY=($(compgen -f -- "\${!#}"))
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync('bash', ['-c', script, 'bash', scriptOf('bash'), ...typed], { cwd: folder });
    expect(
      String(stdout)
        .split('\n')
        .filter((line) => line !== '')
        .sort(),
    ).toEqual(found);
  });

  test('completes --flag=', () => {
    const script =
      'source "$1"; COMP_WORDS=(cos-slice set demo/x --authority = p); COMP_CWORD=5; _cos_slice; declare -p COMPREPLY';
    const { stdout } = spawnSync('bash', ['-c', script, 'bash', scriptOf('bash')], { cwd: folder });
    expect(String(stdout)).toBe('declare -a COMPREPLY=([0]="private" [1]="public-read")\n');
  });
});

describe.runIf(isThere('fish'))('fish', () => {
  test.each(CASES)('completes %j', (typed, found) => {
    const line = ['cos-slice', ...typed].join(' ');
    const env = { PATH: process.env.PATH, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
    const script = `source ${scriptOf('fish')}; complete -C '${line}'`;
    const { stdout } = spawnSync('fish', ['-c', script], { cwd: folder, env });
    const words = String(stdout)
      .split('\n')
      .map((one) => one.split('\t')[0] ?? '');
    expect(words.filter((word) => word !== '').sort()).toEqual(found);
  });
});

describe.runIf(isThere('zsh') && hasTerminal)('zsh', () => {
  test('completes on a terminal', async () => {
    const script = join(folder, 'start');
    await writeFile(
      script,
      `cd '${folder}'; autoload -U compinit; compinit -u -D; source '${scriptOf('zsh')}'; cos-slice() { print -r -- got $* }`,
    );
    const env = { TERM: 'xterm', HOME: folder, PS1: '%% ' };
    const shell = startOnTerminal('stty cols 200; exec zsh -f', { env, cwd: folder });
    const type = (text: string) => shell.child.stdin?.write(text);
    await shell.says(/% /);
    type(`source '${script}'; print is-'ready'\n`);
    await shell.says(/is-ready\r\n/);
    type('cos-slice upl\t--integrity s\toth\t\n');
    await shell.says(/got upload --integrity sha1 other\.bin/);
    type('exit\n');
    await shell.ended;
  });
});
