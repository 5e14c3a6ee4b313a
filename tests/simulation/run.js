// @ts-check
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.js';
import { findMutants } from './find-mutants.js';
import { playSeeds } from './pool.js';

const HELP = `Plays uploads and servers on simulated time, network, disks and clocks, and looks whether every promise is kept.

  npm run simulate -- [--seed N] [--runs M]      plays the seeds N, N+1, ...; the same seed is the same story every time
  npm run simulate -- --seed N --tell            plays one seed and tells all that happens
  npm run simulate -- --mutants [--only TEXT]    makes one mistake after another, and says which seed finds it

  --seed N      the first seed (default 1)
  --runs M      how many (default 1000; with --mutants the most that are spent on a mistake, default 3000)
  --threads T   default: as many as there are processors
  --stories S   how many of the seeds that find something are told (default 2)
  --only TEXT   only mistakes whose name or room has this text
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    stories: { type: 'string', default: '2' },
    tell: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});

/** @param {string} name @param {string} text */
function whole(name, text) {
  if (!/^\d+$/.test(text)) throw new Error(`--${name} must be a whole number, got ${text}`);
  return Number(text);
}

const dir = await mkdtemp(join(tmpdir(), 'cos-slice-simulation-'));
try {
  if (values.help) console.log(HELP);
  else if (values.mutants) await seekMutants();
  else await simulate();
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function seekMutants() {
  const { seed, threads, only } = values;
  const missed = await findMutants({
    dir,
    seed: whole('seed', seed),
    runs: whole('runs', values.runs ?? '3000'),
    threads: whole('threads', threads),
    only,
  });
  process.exitCode = missed > 0 ? 1 : 0;
}

async function simulate() {
  const file = join(dir, 'simulation.mjs');
  await bundle(file);
  const seed = whole('seed', values.seed);
  const runs = values.tell ? 1 : whole('runs', values.runs ?? '1000');
  const threads = whole('threads', values.threads);
  const startedAtMs = performance.now();
  const cpuBefore = process.cpuUsage();
  /** @type {Map<string, number>} */
  const outcomes = new Map();
  /** @type {import('./pool.js').Played[]} */
  const failed = [];
  let uploads = 0;
  let happenings = 0;
  await playSeeds({
    file,
    seed,
    runs,
    threads,
    isTold: values.tell,
    onPlayed(played) {
      happenings += played.happenings;
      for (const [name, count] of played.outcomes) {
        uploads += count;
        outcomes.set(name, (outcomes.get(name) ?? 0) + count);
      }
      if (played.problems.length > 0) {
        failed.push(played);
        console.log(`seed ${played.seed} finds: ${[...new Set(played.problems)].join('; ')}`);
      }
      if (values.tell) console.log(played.story?.join('\n'));
    },
  });
  const { user, system } = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - startedAtMs) / 1000;
  const cpuSeconds = (user + system) / 1e6;
  const perSecond = (/** @type {number} */ spent) => Math.round(uploads / spent);
  console.log(
    `${uploads} uploads in ${runs} runs, ${happenings} happenings, ${seconds.toFixed(0)} s: ${perSecond(seconds)} uploads a second, ${perSecond(cpuSeconds)} a second of processor time`,
  );
  const ends = [...outcomes].sort((one, other) => other[1] - one[1]);
  console.log(ends.map(([name, count]) => `${name} ${count}`).join(', '));
  if (failed.length === 0) return console.log('every promise was kept');
  console.log(`${failed.length} seeds have found something`);
  process.exitCode = 1;
  if (values.tell) return;
  for (const { seed } of failed.slice(0, whole('stories', values.stories))) {
    console.log(`\nThe story of seed ${seed}:`);
    await playSeeds({
      file,
      seed,
      runs: 1,
      threads: 1,
      isTold: true,
      onPlayed: ({ story }) => console.log(story?.join('\n')),
    });
  }
}
