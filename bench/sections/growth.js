// @ts-check
// How cost grows with the work. No bytes and no time: what is measured is deciding, and remembering.
import { runJob } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { median } from '../lib/samples.js';

/** @import { Context, Findings } from '../lib/context.js' */

const GIB = 1024 ** 3;
const SIZES = { '1 GiB': GIB, '100 GiB': 100 * GIB, '1 TiB': 1024 * GIB, '10 TiB': 10 * 1024 * GIB };
const UPLOADS = [1, 100, 10_000];
/** The same work for every number of uploads. */
const REQUESTS = 30_000;
const MILLION = 1_000_000;

/**
 * @typedef {object} Curve
 * @property {string} title
 * @property {string} unit
 * @property {[label: string, value: number][]} points
 * @property {number} [target]
 */

/**
 * Rows: MiB planned in a second, CPU for a GiB, and memory for what is known of the file. Slices are 1 MiB.
 *
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function growth(context) {
  /** @type {Map<string, number[]>} */
  const values = new Map();
  const add = (/** @type {string} */ key, /** @type {number} */ value) =>
    values.set(key, [...(values.get(key) ?? []), value]);
  const get = (/** @type {string} */ key) => median(values.get(key) ?? []);
  const run = (/** @type {object} */ job) => runJob('growth/main.js', job, { nodeOptions: ['--expose-gc'] });

  const notes = await inRounds(context, { name: 'Growth', share: 0.08 }, async () => {
    for (const [label, sizeBytes] of Object.entries(SIZES)) {
      const { micros, stateMiB } = await run({ kind: 'plan', sizeBytes });
      add(`plan ${label}`, micros);
      add(`state ${label}`, stateMiB);
    }
    for (const uploads of UPLOADS) {
      const { microsPerRequest, heapKiBPerUpload } = await run({ kind: 'uploads', uploads, requests: REQUESTS });
      add(`uploads ${uploads}`, microsPerRequest);
      add(`heap ${uploads}`, heapKiBPerUpload);
    }
    add('resume', (await run({ kind: 'resume', slices: MILLION })).seconds);
  });

  const labels = Object.keys(SIZES);
  /** @type {Curve[]} */
  const curves = [
    {
      title: 'Planning, by size of the file',
      unit: 'µs per slice',
      points: labels.map((label) => [label, get(`plan ${label}`)]),
      target: 10,
    },
    {
      title: 'State of a file, slices stored all over it',
      unit: 'MiB',
      points: labels.map((label) => [label, get(`state ${label}`)]),
    },
    {
      title: 'The whole driver, by uploads at once',
      unit: 'µs per request',
      points: UPLOADS.map((uploads) => [`${uploads}`, get(`uploads ${uploads}`)]),
    },
  ];
  return {
    rows: labels.map((label) => ({
      name: `plan of ${label}`,
      mibPerS: 1e6 / get(`plan ${label}`),
      cpuSPerGiB: (get(`plan ${label}`) * 1024) / 1e6,
      rssGrowthMiB: get(`state ${label}`),
    })),
    ratios: {
      ...Object.fromEntries(labels.map((label) => [`planMicrosPerSlice${key(label)}`, get(`plan ${label}`)])),
      stateMiBPerMillionSlices: (get('state 1 TiB') * MILLION) / 1024 ** 2,
      ...Object.fromEntries(UPLOADS.map((n) => [`microsPerRequestWith${n}Uploads`, get(`uploads ${n}`)])),
      heapKiBPerUploadOf10000: get('heap 10000'),
      resumeMillionSlicesS: get('resume'),
    },
    notes,
    curves,
  };
}

/** @param {string} label */
function key(label) {
  return label.replace(' ', '');
}
