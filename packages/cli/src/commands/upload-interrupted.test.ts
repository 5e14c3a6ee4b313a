import { type ChildProcess, execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runCli, startCli, withoutProgress } from '../testing/cli.ts';
import { createWorld, digestOf, KEY, type World } from '../testing/world.ts';

const MIB = 1024 * 1024;
const ONE_LINE = /^cos-slice: [^\n]+\n$/;

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
afterEach(() => {
  world.delayMs = 0;
  world.requests.length = 0;
});

const upload = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runCli(['upload', ...args], { env: { ...world.env, ...env }, cwd: world.folder });

/** What a mount whose server is gone does to every thread that works on files, from when it is told to. */
function hanging(pipe: string): { readonly env: NodeJS.ProcessEnv; hang(child: ChildProcess): Promise<void> } {
  execFileSync('mkfifo', [pipe]);
  const script = `import { open } from 'node:fs';
    process.on('SIGUSR2', () => { for (let i = 0; i < 4; i += 1) open(${JSON.stringify(pipe)}, () => {}); });`;
  return {
    env: { ...world.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` },
    async hang(child) {
      child.kill('SIGUSR2');
      await new Promise((resolve) => setTimeout(resolve, 300));
    },
  };
}

describe('an interrupted upload', () => {
  const slow = async (name: string, more: readonly string[] = [], env: NodeJS.ProcessEnv = world.env) => {
    const file = await world.file(name, 20 * MIB);
    world.delayMs = 100;
    const args = ['upload', file, `demo/${name}`, '--concurrency', '2', ...more];
    const running = startCli(args, { env });
    while (world.requests.filter(({ op, code }) => op === 'upload_slice_data' && code === 0).length < 4) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { file, args, running };
  };

  test.each(['SIGINT', 'SIGTERM'] as const)('%s: exit code 130, says what to run, resumes', async (signal) => {
    const { file, running, args } = await slow(`${signal} 1.bin`);
    running.child.kill(signal);
    const { code, stdout, stderr } = withoutProgress(await running.ended);
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toMatch(ONE_LINE);
    const command = `upload '${file}' 'demo/${signal} 1.bin' --concurrency 2`;
    expect(stderr).toMatch(/interrupted at \d+%; to resume, run: /);
    expect(stderr.trim().endsWith(command)).toBe(true);

    world.delayMs = 0;
    const again = await runCli([...args, '--json'], { env: world.env });
    const { resumedBytes, sentBytes } = JSON.parse(again.stdout);
    expect(resumedBytes).toBeGreaterThanOrEqual(4 * MIB);
    expect(resumedBytes + sentBytes).toBe(20 * MIB);
    expect(await world.stored(`demo/${signal} 1.bin`)).toBe(await digestOf(file));
  });

  test('with the key on the command line: it is not repeated', async () => {
    const flags = ['--secret-key', KEY, '--json'];
    const { running } = await slow('key.bin', flags);
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = withoutProgress(await running.ended);
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'interrupted', path: 'demo/key.bin' });
    expect(stderr).toMatch(/to resume, run, with --secret-key as before: [^\n]* upload [^\n]*key\.bin [^\n]*--json\n$/);
    expect(stdout + stderr).not.toContain(KEY);
  });

  test('twice: ends at once', async () => {
    const file = await world.file('twice.bin', 20 * MIB);
    world.delayMs = Number.POSITIVE_INFINITY;
    const before = world.arrivals;
    const { child, ended } = startCli(['upload', file, 'demo/twice.bin'], { env: world.env });
    while (world.arrivals === before) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGINT');
    child.kill('SIGINT');
    const { code, signal } = await ended;
    // What hangs is ended by the signal itself, which is 130 to a shell.
    expect(signal ?? code).toBe(signal ? 'SIGINT' : 130);
  });

  test.skipIf(process.platform === 'win32')(
    'twice, while files do not answer: ends at once, with its JSON',
    async () => {
      const file = await world.file('hangs.bin', 3 * MIB);
      const { hang, env } = hanging(join(dirname(file), 'nobody-writes'));
      world.delayMs = Number.POSITIVE_INFINITY;
      const before = world.arrivals;
      const { child, ended } = startCli(['upload', file, 'demo/hangs.bin', '--json'], { env });
      while (world.arrivals === before) await new Promise((resolve) => setTimeout(resolve, 10));
      await hang(child);
      child.kill('SIGINT');
      await new Promise((resolve) => setTimeout(resolve, 300));
      const askedAtMs = performance.now();
      child.kill('SIGINT');
      const { stdout, stderr } = await ended;
      expect(performance.now() - askedAtMs).toBeLessThan(20_000);
      expect(stderr).toMatch(/^cos-slice: interrupted at 0%; /);
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'interrupted', path: 'demo/hangs.bin' });
    },
  );

  test.skipIf(process.platform === 'win32').each(['put', 'get'])(
    'once, while files do not answer, of a directory: ends, with %s',
    async (name) => {
      const folder = dirname(await world.file(`answers-not-${name}/a.bin`, 10));
      const { hang, env } = hanging(join(world.folder, `nobody-writes-${name}`));
      world.delayMs = Number.POSITIVE_INFINITY;
      const before = world.arrivals;
      const operands = name === 'put' ? [folder, 'demo/there/'] : ['demo/there/', folder];
      const { child, ended } = startCli([name, ...operands], { env });
      while (world.arrivals === before) await new Promise((resolve) => setTimeout(resolve, 10));
      await hang(child);
      child.kill('SIGTERM');
      const { code, signal, stderr } = await ended;
      expect(signal ?? code).toBe(signal ? 'SIGINT' : 130);
      expect(stderr).toMatch(/^cos-slice: interrupted.*\n$/);
    },
  );

  test('whose state folder cannot be written: does not promise that it resumes', async () => {
    const env = { ...world.env, XDG_STATE_HOME: '/dev/null/state' };
    const { args, running, file } = await slow('homeless.bin', ['--quiet'], env);
    running.child.kill('SIGINT');
    const { stderr } = withoutProgress(await running.ended);
    expect(stderr).toMatch(/XDG_STATE_HOME\), to start over, run: cos-slice upload --on-conflict restart /);
    world.delayMs = 0;
    expect(await runCli([...args, '--on-conflict', 'restart'], { env: world.env })).toMatchObject({ code: 0 });
    expect(await world.stored('demo/homeless.bin')).toBe(await digestOf(file));
  });

  test('and then a failure, with nothing remembered: says how to start over', async () => {
    const env = { ...world.env, XDG_STATE_HOME: '/dev/null/state' };
    const { args, running, file } = await slow('edited.bin', ['--json'], env);
    await world.file('edited.bin', 20 * MIB);
    const { code, stdout, stderr } = withoutProgress(await running.ended);
    expect(code).toBe(1);
    const again = /nothing is remembered .*XDG_STATE_HOME\), to start over, run: .* upload --on-conflict restart /;
    expect(stderr).toMatch(again);
    expect(JSON.parse(stdout)).toMatchObject({ code: 'source-changed', advice: expect.stringMatching(again) });
    world.delayMs = 0;
    expect(await runCli([...args, '--on-conflict', 'restart'], { env })).toMatchObject({ code: 0 });
    expect(await world.stored('demo/edited.bin')).toBe(await digestOf(file));
  });

  test('and then a failure of what is remembered: does not say that it is not', async () => {
    const { args, running, file } = await slow('rewritten.bin', ['--json', '--quiet']);
    await world.file('rewritten.bin', 20 * MIB);
    const { code, stdout, stderr } = await running.ended;
    expect({ code, told: JSON.parse(stdout).code }).toEqual({ code: 1, told: 'source-changed' });
    expect(stdout + stderr).not.toContain('remembered');
    world.delayMs = 0;
    expect(await runCli(args, { env: world.env })).toMatchObject({ code: 0 });
    expect(await world.stored('demo/rewritten.bin')).toBe(await digestOf(file));
  });

  test('of standard input: says that it starts over, and nothing of the state folder', async () => {
    world.delayMs = 100;
    world.requests.length = 0;
    const running = startCli(['upload', '-', 'demo/streamed.bin', '--quiet'], { env: world.env });
    running.child.stdin?.end(Buffer.alloc(20 * MIB));
    while (!world.requests.some(({ op, code }) => op === 'upload_slice_data' && code === 0)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    running.child.kill('SIGINT');
    expect((await running.ended).stderr).toMatch(
      /interrupted at \d+%; to start over, run: \S* ?\S*cos-slice(\.js)? upload --on-conflict restart - demo/,
    );
    world.delayMs = 0;
  });

  test('with --no-resume: says so, and --on-conflict restart starts over', async () => {
    const { args, running, file } = await slow('forget.bin', ['--no-resume', '--quiet']);
    running.child.kill('SIGINT');
    const { stderr } = withoutProgress(await running.ended);
    expect(stderr).toMatch(
      /interrupted at [1-9]\d*%; to start over, run: .*cos-slice(\.js)? upload --on-conflict restart /,
    );
    world.delayMs = 0;
    expect(await runCli([...args, '--on-conflict', 'restart'], { env: world.env })).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await world.stored('demo/forget.bin')).toBe(await digestOf(file));
  });

  test('of another file is in the way until it is discarded, and that is said', async () => {
    const { running } = await slow('fought.bin');
    running.child.kill('SIGINT');
    await running.ended;
    world.delayMs = 0;
    const other = await world.file('fighter.bin', 19 * MIB);
    const refused = await upload([other, 'demo/fought.bin', '--no-resume']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/of other content as far as is known, is at this path: .*--on-conflict restart/);
    expect(await upload([other, 'demo/fought.bin', '--on-conflict', 'restart'])).toMatchObject({ code: 0 });
    expect(await world.stored('demo/fought.bin')).toBe(await digestOf(other));
  });
});
