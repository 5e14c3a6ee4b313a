import type { UploadProgress, UploadSnapshot } from '@cos-slice/node';
import stringWidth from 'string-width';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderLine } from './progress-view.ts';
import { CLI, hasTerminal, startOnTerminal } from './testing/cli.ts';
import { createWorld, digestOf, type World } from './testing/world.ts';
import { quoteName, quoteWord, shorten } from './text.ts';
import { formatBytes, formatDuration, formatPart } from './units.ts';

const MIB = 1024 * 1024;

const snapshot = (progress: Partial<UploadProgress> = {}, more: Partial<UploadSnapshot> = {}): UploadSnapshot => ({
  phase: progress.phase ?? 'sending',
  paused: false,
  online: true,
  resumable: true,
  sliceSizeBytes: MIB,
  sliceMap: () => new Uint8Array(),
  progress: {
    phase: 'sending',
    sizeBytes: 256 * MIB,
    confirmedBytes: 0,
    sentBytes: 0,
    resentBytes: 0,
    resumedBytes: 0,
    hashedBytes: 64 * MIB,
    fraction: 0.5,
    bytesPerSecond: 25 * MIB,
    etaMs: 5120,
    slices: { total: 256, stored: 120, inFlight: 8, retrying: 0 },
    requests: 0,
    signatures: 0,
    concurrency: 8,
    ...progress,
  },
  ...more,
});
const plain = (columns: number) => ({ columns, color: false });

describe('the line', () => {
  test('tells bytes, percent, speed, time left and slices', () => {
    expect(renderLine('film.mp4', snapshot(), plain(120))).toBe(
      'film.mp4  ███████████████░░░░░░░░░░░░░░░  sending 50%  128/256 MiB  25.0 MiB/s  5.1s left  slices 120/256, 8 in flight',
    );
  });

  test('tells what is tried again and what was resumed', () => {
    const slices = { total: 256, stored: 120, inFlight: 6, retrying: 2 };
    const line = renderLine('f', snapshot({ slices, resumedBytes: 100 * MIB }), plain(150));
    expect(line).toContain('slices 120/256, 6 in flight, 2 retrying  resumed 100 MiB');
    expect(renderLine('f', snapshot({ slices }), plain(79))).toContain('  120/256 ↑6 ↻2');
  });

  test('gives hashing a bar of its own', () => {
    const line = renderLine('f', snapshot({ phase: 'hashing', fraction: 0 }), plain(79));
    expect(line).toMatch(/^f {2}█{6}░{20} {2}hashing 25% {2}64\.0\/256 MiB {2}25\.0 MiB\/s {2}5\.1s left$/);
  });

  test('says 100% only of what is done', () => {
    expect(renderLine('f', snapshot({ fraction: 0.999, phase: 'finishing' }), plain(79))).toContain('finishing 99%');
    expect(renderLine('f', snapshot({ fraction: 1, phase: 'done' }), plain(79))).toContain('done 100%');
    expect(renderLine('f', snapshot({ sizeBytes: 0, fraction: 0 }), plain(79))).toContain('sending 0%');
  });

  test('says that there is no network', () => {
    expect(renderLine('f', snapshot({}, { online: false }), plain(79))).toContain('offline 50%');
    const waiting = snapshot({}, { online: false, waitingFor: 'network' });
    expect(renderLine('f', waiting, plain(79))).toContain('offline, waiting 50%');
    expect(renderLine('f', waiting, plain(39))).toMatch(/ {2}offline, waiting 50%$/);
  });

  test('says what it waits for, and what cannot be resumed', () => {
    const slices = { total: 256, stored: 120, inFlight: 0, retrying: 1 };
    const retry = snapshot({ slices }, { waitingFor: 'retry' });
    expect(renderLine('f', retry, plain(120))).toContain('waiting to retry 50%  128/256 MiB  slices 120/256, 0 in');
    expect(renderLine('f', snapshot({ slices }), plain(79))).toContain('waiting to retry 50%');
    expect(renderLine('f', { ...retry, online: false }, plain(79))).toContain('offline, waiting to retry 50%');
    expect(renderLine('f', snapshot({}, { waitingFor: 'place' }), plain(79))).toContain('sending 50%');
    expect(renderLine('f', snapshot({}, { resumable: false }), plain(120))).toMatch(/8 in flight {2}cannot resume$/);
    expect(renderLine('f', snapshot({}, { resumable: false }), plain(39))).not.toContain('resume');
  });

  test.each([
    'film.mp4',
    '一个名字很长的文件一个名字很长的文件.mp4',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'.repeat(20),
  ])('with the name %s is never wider than the terminal', (name) => {
    const slices = { total: 1_000_000, stored: 999_999, inFlight: 64, retrying: 64 };
    for (const color of [true, false]) {
      for (let columns = 1; columns < 200; columns += 1) {
        const line = renderLine(name, snapshot({ slices, resumedBytes: 1 }), { columns, color });
        expect(stringWidth(line)).toBeLessThanOrEqual(columns);
        expect(line).not.toMatch(/\n/);
      }
    }
  });

  test('keeps the end of a long name', () => {
    expect(shorten('一个名字很长的文件.mp4', 12)).toBe('一个名….mp4');
    expect(shorten('short', 12)).toBe('short');
  });
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1023.99 * 1024, '1.0 MiB'],
  [99.96 * MIB, '100 MiB'],
  [5e15, '4547 TiB'],
])('%d bytes read %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('parts, durations and words read well', () => {
  expect(formatPart(1536, 4096)).toBe('1.5/4.0 KiB');
  expect(formatPart(1536, MIB)).toBe('1.5 KiB/1.0 MiB');
  expect([0, 9949, 9951, 59_400, 59_600, 75_000, 3_725_000].map(formatDuration)).toEqual([
    '0.0s',
    '9.9s',
    '10s',
    '59s',
    '1m00s',
    '1m15s',
    '1h02m',
  ]);
  expect(quoteWord('a/b-1.bin')).toBe('a/b-1.bin');
  expect(quoteWord("文件 'x'")).toBe("'文件 '\\''x'\\'''");
  expect(quoteWord('C:\\a-1.bin', 'win32')).toBe('C:\\a-1.bin');
  expect(quoteWord('C:\\it is\\', 'win32')).toBe('"C:\\it is\\\\"');
  expect(quoteName('a\n\u009b\u202e"文')).toBe('"a\\n\\u009b\\u202e\\"文"');
});

// Where no terminal is to be had, these tests do not exist.
if (hasTerminal) {
  describe('on a terminal', () => {
    const HIDE = '\u001b[?25l';
    const SHOW = '\u001b[?25h';
    let world: World;
    beforeAll(async () => {
      world = await createWorld();
    });
    afterAll(() => world.close());

    const start = (file: string, columns: number, env: NodeJS.ProcessEnv = {}) => {
      const command = `stty cols ${columns}; exec '${process.execPath}' '${CLI}' upload '${file}' demo/ --concurrency 2`;
      return startOnTerminal(command, { env: { TERM: 'xterm', ...world.env, ...env } });
    };
    /** What each redraw leaves on its line. */
    const lines = (output: string): string[] =>
      output
        .slice(0, output.lastIndexOf(SHOW))
        .split('\r')
        .filter((line) => line.includes('%'))
        // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what this is about
        .map((line) => line.replace(/\u001b\[[\d;?]*[A-Za-z]/g, ''));

    test.each([40, 80, 200])(
      'of %i columns it redraws one line in place, and gives the cursor back',
      async (columns) => {
        const file = await world.file(`大文件\u{1f600} ${columns}.bin`, 10 * MIB);
        world.delayMs = 100;
        const startedAtMs = performance.now();
        const { code, stdout } = await start(file, columns).ended;
        const seconds = (performance.now() - startedAtMs) / 1000;
        expect(code).toBe(0);
        const drawn = lines(stdout);
        expect(drawn.length).toBeGreaterThan(2);
        expect(drawn.length).toBeLessThanOrEqual(seconds * 10);
        for (const line of drawn) {
          expect(stringWidth(line)).toBeLessThan(columns);
          expect(line).not.toContain('\n');
        }
        expect(stdout.split(HIDE)).toHaveLength(2);
        const [, after = ''] = stdout.split(SHOW);
        expect(after).toMatch(/^http:.*\r\n10\.0 MiB in /);
        expect(await world.stored(`demo/大文件\u{1f600} ${columns}.bin`)).toBe(await digestOf(file));
      },
    );

    test('it has colours, unless NO_COLOR says not to', async () => {
      world.delayMs = 100;
      const coloured = await start(await world.file('colour.bin', 5 * MIB), 80).ended;
      expect(coloured.stdout).toContain('\u001b[32m');
      const bare = await start(await world.file('bare.bin', 5 * MIB), 80, { NO_COLOR: '1' }).ended;
      expect(bare.stdout).not.toContain('\u001b[32m');
      expect(lines(bare.stdout).length).toBeGreaterThan(0);
    });

    test('Ctrl-C gives the line and the cursor back and says how to go on', async () => {
      const file = await world.file('ctrl-c.bin', 40 * MIB);
      world.delayMs = 100;
      const running = start(file, 80);
      await running.says(/sending [1-9]/);
      running.child.stdin?.write('\u0003');
      const { code, stdout } = await running.ended;
      expect(code).toBe(130);
      const [, after = ''] = stdout.split(SHOW);
      expect(after).toMatch(/cos-slice: interrupted at \d+%; to resume, run: .*cos-slice(\.js)? upload /);
    });
  });
}
