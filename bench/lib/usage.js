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
  const meter = startMeter();
  await work();
  return meter();
}

/** @returns {() => Measured} what this process has used since */
export function startMeter() {
  const rssBefore = process.memoryUsage.rss() / 1024 / 1024;
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  return () => {
    const wallMs = performance.now() - startedAtMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    return { wallMs, cpuMs: (user + system) / 1000, rssGrowthMiB: peakRssMiB() - rssBefore };
  };
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
