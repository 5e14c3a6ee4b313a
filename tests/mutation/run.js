// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ROOMS, sourcesOf } from './rooms.js';

const HELP = `Makes small mistakes in the sources of a room, one at a time, and says which of them no test finds.

  npm run mutation -- [--room NAME] [--only TEXT] [--sample SHARE] [--seed N] [--concurrency C]

  --room NAME      one of ${Object.keys(ROOMS).join(', ')} (default: all, one after another)
  --only TEXT      only files whose path has this text
  --sample SHARE   a share of the mistakes, above 0 and up to 1 (default 1)
  --seed N         which ones these are (default 1)
  --concurrency C  mistakes at a time (default 2)
`;

const { values } = parseArgs({
  options: {
    room: { type: 'string' },
    only: { type: 'string', default: '' },
    sample: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    concurrency: { type: 'string', default: '2' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(HELP);
else await run();

async function run() {
  const { only } = values;
  const sample = Number(values.sample);
  if (!(sample > 0 && sample <= 1)) throw new Error(`--sample must be above 0 and up to 1, got ${values.sample}`);
  const seed = whole('seed', values.seed);
  const concurrency = whole('concurrency', values.concurrency);
  const rooms = (values.room === undefined ? Object.keys(ROOMS) : [values.room]).filter(
    (room) => sourcesOf(room, only).length > 0,
  );
  if (rooms.length === 0) throw new Error('there is no such room or file');
  for (const room of rooms) await stryker({ room, only, sample, seed, concurrency });
}

/** @param {string} name @param {string} text */
function whole(name, text) {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${name} must be a whole number above 0, got ${text}`);
  return Number(text);
}

/** @param {typeof import('./task.js').TASK} task */
async function stryker(task) {
  const env = { ...process.env, MUTATION_TASK: JSON.stringify(task) };
  const config = fileURLToPath(new URL('stryker.config.js', import.meta.url));
  const child = spawn('npx', ['--no', 'stryker', 'run', config], { env, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) process.exitCode = 1;
}
