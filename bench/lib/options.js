// @ts-check
import { parseArgs } from 'node:util';

export const MIB = 1024 * 1024;

const SECTIONS = ['node', 'end-to-end', 'server', 'download', 'far', 's3', 'wires', 'small', 'browser', 'growth'];

const HELP = `usage: npm run bench -- [options]
  --json FILE       write the figures to FILE
  --runs N          runs of each candidate, interleaved (default 5)
  --size MIB        file for the Node client, in MiB (default 1024)
  --disk-size MIB   file for end to end and server (default 256)
  --download-size MIB  object to download (default 1024)
  --far-size MIB    file for the far networks (default 64)
  --small-files N   small files, of 16 KiB each (default 2000)
  --only A,B        sections: ${SECTIONS.join(', ')}
  --plots DIR       write the plots to DIR
  --minutes N       no new round of a section beyond its share of this (default 10)
  --against REF     compare with another version instead: node, server, small, growth; exit code 1 when something got worse`;

/**
 * @typedef {object} BenchOptions
 * @property {string | undefined} json
 * @property {string | undefined} plots
 * @property {number} runs
 * @property {number} sizeBytes
 * @property {number} diskSizeBytes
 * @property {number} downloadSizeBytes
 * @property {number} farSizeBytes
 * @property {number} smallFiles
 * @property {string[] | undefined} only
 * @property {number} minutes
 * @property {string | undefined} against
 */

/**
 * @param {string[]} args
 * @returns {BenchOptions}
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      plots: { type: 'string' },
      runs: { type: 'string', default: '5' },
      size: { type: 'string', default: '1024' },
      'disk-size': { type: 'string', default: '256' },
      'download-size': { type: 'string', default: '1024' },
      'far-size': { type: 'string', default: '64' },
      'small-files': { type: 'string', default: '2000' },
      only: { type: 'string' },
      minutes: { type: 'string', default: '10' },
      against: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit();
  }
  const only = values.only?.split(',');
  const unknown = only?.filter((name) => !SECTIONS.includes(name)) ?? [];
  if (unknown.length > 0) refuse(`--only knows ${SECTIONS.join(', ')}, got ${unknown.join(', ')}`);
  return {
    json: values.json,
    plots: values.plots,
    runs: positive('runs', values.runs),
    sizeBytes: positive('size', values.size) * MIB,
    diskSizeBytes: positive('disk-size', values['disk-size']) * MIB,
    downloadSizeBytes: positive('download-size', values['download-size']) * MIB,
    farSizeBytes: positive('far-size', values['far-size']) * MIB,
    smallFiles: positive('small-files', values['small-files']),
    only,
    minutes: positive('minutes', values.minutes),
    against: values.against,
  };
}

/** @param {string} name @param {string} text */
function positive(name, text) {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  return refuse(`--${name} must be a positive number, got ${text}`);
}

/** @param {string} why @returns {never} */
function refuse(why) {
  console.error(`bench: ${why}`);
  process.exit(2);
}
