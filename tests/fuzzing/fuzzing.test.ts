import { fileURLToPath } from 'node:url';
import { createRandom } from '@cos-slice/testkit/simulated/random';
import { expect, test } from 'vitest';
import { figuresOf } from '../support/figures.ts';
import { addBranches, taken } from './engine/coverage.ts';
import { fuzz } from './engine/fuzz.ts';
import { growthOf } from './engine/growth.ts';
import type { Target } from './engine/target.ts';
import { instrument } from './instrument.js';

const RUN = fileURLToPath(new URL('./run.js', import.meta.url));

test('whatever reads what strangers send bears some hundred inputs', async () => {
  const flags = ['--executions', '45', '--seed', '1', '--untimed'];
  const { figures, told } = await figuresOf<{ branches: number; executions: number; kept: number }[]>(RUN, flags);
  expect(figures).toHaveLength(13);
  // Otherwise nothing has been counted, or nothing been reached.
  for (const one of figures) expect(one.branches > 30 && one.kept > 3 && one.executions >= 45, told).toBe(true);
});

addBranches('a lock', 0, 4);
/** Opens to one word alone, of which it tells by what it does how much is right. */
const lock: Target = {
  name: 'lock',
  about: 'a lock',
  seeds: ['....'],
  mostBytes: 16,
  run(input) {
    for (const [index, letter] of [...'kQ7z'].entries()) {
      if (input[index] !== letter.charCodeAt(0)) return;
      taken(index);
    }
    throw new Error('it is open');
  },
};
const plan = { seed: 1, executions: 400_000, isTimed: false, words: [] };

test('finds by what it covers what chance alone does not, and tells it as short as it can be, the same each time', async () => {
  const [finding] = (await fuzz(lock, plan)).findings;
  expect(finding?.input.toString()).toBe('kQ7z');
  expect(finding?.what).toContain('it is open');
  expect((await fuzz(lock, plan)).findings[0]?.execution).toBe(finding?.execution);
  expect((await fuzz(lock, { ...plan, isGuided: false })).findings).toEqual([]);
});

test('what takes sixteen times as long for four times the input is told, and what takes four times as long is not', async () => {
  const target: Target = { name: 't', about: 't', seeds: [], growsTo: 64 * 1024, run: () => {} };
  const input = Buffer.from('<a>text</a>');
  const grow = (cost: (bytes: number) => number) =>
    growthOf(target, input, createRandom(1), async (_target, { length }) => cost(length));
  expect((await grow((bytes) => (bytes / 1024) ** 2))?.defect.message).toContain('times as long as for a quarter');
  expect(await grow((bytes) => bytes / 100)).toBeUndefined();
});

test('a source that counts its branches does what it did', () => {
  const source = `
    const f = (n, by = n > 2 ? 2 : 1) => n <= 0 || by === 0 ? [] : [n, ...f(n - by)];
    function g(list) { for (const one of list) if (one === 3) return { three: true }; else continue; }
    switch (f(3).length) { case 2: case 3: result = [f(3), g(f(3)) ?? 'no', g([]) ?? 'none']; break; default: result = 0; }`;
  const counts: number[] = [];
  let branches = 0;
  const { text, words } = instrument(source, 'count', () => branches++);
  const play = (code: string): unknown =>
    new Function('count', `let result; ${code}; return result;`)((branch: number) => counts.push(branch));
  expect(play(text)).toEqual(play(source));
  expect(branches).toBeGreaterThan(12);
  // All of them but the default and what is only done for others.
  expect(new Set(counts).size).toBeGreaterThan(9);
  expect(words.sort()).toEqual(['no', 'none', 'three']);
}); // prettier-ignore
