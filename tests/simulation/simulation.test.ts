import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle } from './bundle.js';
import { MUTANTS } from './mutants/index.js';
import { type Played, playSeeds, type Task } from './pool.js';

let dir: string;
let file: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cos-slice-simulation-'));
  file = join(dir, 'simulation.mjs');
  await bundle(file);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function played(task: Partial<Task>): Promise<Played[]> {
  const all: Played[] = [];
  await playSeeds({ file, seed: 1, runs: 1, threads: 1, onPlayed: (one) => all.push(one), ...task });
  return all;
}

test('uploads through whatever befalls them keep every promise', async () => {
  const all = await played({ runs: 25, threads: 2 });
  expect(all).toHaveLength(25);
  expect(all.flatMap(({ seed, problems }) => problems.map((problem) => `seed ${seed}: ${problem}`))).toEqual([]);
  const ends = new Set(all.flatMap(({ outcomes }) => [...outcomes.keys()]));
  // Otherwise nothing much has befallen them.
  expect([...ends]).toEqual(expect.arrayContaining(['done', 'exists', 'network', 'conflict']));
});

test('the same seed is the same story, whatever was played before it', async () => {
  const [alone] = await played({ seed: 6, isTold: true });
  const after = await played({ seed: 3, runs: 4, isTold: true });
  expect(alone?.story?.length).toBeGreaterThan(20);
  expect(after.find(({ seed }) => seed === 6)?.story).toEqual(alone?.story);
});

test('a mistake is found, and told with its seed and its story', async () => {
  const mutant = MUTANTS['the machine']?.find(({ name }) => name.startsWith('finish is called although'));
  const mutated = join(dir, 'mutated.mjs');
  await bundle(mutated, mutant);
  const all = await played({ file: mutated, runs: 20, isTold: true, endsEarly: true });
  const found = all.find(({ problems }) => problems.length > 0);
  expect(found?.problems[0]).toMatch(/ERROR_FILE_NOT_FINISH_UPLOAD/);
  const told = found?.story?.join('\n') ?? '';
  expect(told).toMatch(/client-\d\/\d begins at /);
  expect(told).toMatch(/ -> upload_slice_finish/);
  expect(told).toContain(`!!! ${found?.problems[0]}`);
});

test('every mistake still fits the code that it is made in', async () => {
  const misfits: string[] = [];
  for (const { name, file: place, find, also } of Object.values(MUTANTS).flat()) {
    const code = await readFile(new URL(`../../${place}`, import.meta.url), 'utf8');
    for (const text of [find, ...(also ? [also.find] : [])]) {
      if (code.split(text).length !== 2) misfits.push(`${name}: ${place} has ${JSON.stringify(text)} not once`);
    }
  }
  expect(misfits).toEqual([]);
});
