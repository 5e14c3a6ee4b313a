// @ts-check
import { readFileSync } from 'node:fs';

/**
 * @typedef {object} Measured
 * @property {number} wallMs
 * @property {number} cpuMs User and system, all threads.
 * @property {number} rssGrowthMiB Peak over what the process had before.
 */

/**
 * What `work` costs this process.
 *
 * @param {() => Promise<unknown>} work
 * @returns {Promise<Measured>}
 */
export async function measure(work) {
  const rssBefore = rssMiB();
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  await work();
  const wallMs = performance.now() - startedAtMs;
  const cpu = process.cpuUsage(cpuBefore);
  return { wallMs, cpuMs: (cpu.user + cpu.system) / 1000, rssGrowthMiB: peakRssMiB() - rssBefore };
}

function rssMiB() {
  return process.memoryUsage.rss() / 1024 / 1024;
}

/**
 * Linux counts what a process had before it became this program, that is its parent's memory, in `maxRSS`; its own peak is in
 * /proc.
 */
function peakRssMiB() {
  try {
    const kib = /VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kib !== undefined) return Number(kib) / 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS / 1024;
}
