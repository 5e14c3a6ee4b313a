// @ts-check
// Preloaded into a process, which then tells what it holds when its parent asks. Never keeps it alive.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/**
 * @typedef {object} Held
 * @property {Record<string, number>} resources what keeps the event loop alive, by kind
 * @property {number} rssBytes
 * @property {{ p50: number, p99: number, max: number }} delayMs of the event loop, since the last time that was asked
 */

if (isMainThread && process.channel) {
  // They are opened when they are first needed, which is none of what is looked for.
  void [process.stdout, process.stderr];
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  process.on('message', (question) => {
    if (question !== 'what do you hold?') return;
    /** @type {Record<string, number>} */
    const resources = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    // The sampling interval is part of what is measured.
    const inMs = (/** @type {number} */ nanoseconds) => Math.max(0, nanoseconds / 1e6 - 5);
    const delayMs = { p50: inMs(delays.percentile(50)), p99: inMs(delays.percentile(99)), max: inMs(delays.max) };
    delays.reset();
    process.send?.({ held: { resources, rssBytes: process.memoryUsage.rss(), delayMs } });
  });
  process.channel.unref();
}
