// @ts-check
import { fork } from 'node:child_process';

/**
 * @typedef {object} Service
 * @property {number} pid
 * @property {any} ready What it said when it was ready.
 * @property {(question: object) => Promise<any>} ask
 * @property {() => Promise<void>} stop
 */

const BENCH = new URL('../', import.meta.url);

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a process that stays, and waits until it is ready.
 *
 * @param {string} file below `bench/`
 * @param {object} [job] handed over as JSON
 * @param {{ bench?: URL | undefined }} [options] `bench`: the folder that `file` is in. Default: this one's
 * @returns {Promise<Service>}
 */
export async function startService(file, job = {}, { bench } = {}) {
  const child = start(file, job, [], bench);
  const ready = await nextMessage(child, file, 60_000);
  return {
    pid: child.pid ?? 0,
    ready,
    async ask(question) {
      child.send(question);
      return nextMessage(child, file, 60_000);
    },
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.disconnect();
        setTimeout(() => child.kill('SIGKILL'), 5000).unref();
      }),
  };
}

/**
 * Runs a process that does one job, sends one result and ends.
 *
 * @param {string} file below `bench/`
 * @param {object} job
 * @param {{ nodeOptions?: string[], timeoutMs?: number, bench?: URL | undefined }} [options]
 * @returns {Promise<any>}
 */
export async function runJob(file, job, { nodeOptions = [], timeoutMs = 180_000, bench } = {}) {
  const child = start(file, job, nodeOptions, bench);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    return await nextMessage(child, `${file} ${JSON.stringify(job)}`, timeoutMs);
  } finally {
    if (child.connected) child.disconnect();
    setTimeout(() => child.kill('SIGKILL'), 5000).unref();
    await ended;
  }
}

/** @param {string} file @param {object} job @param {string[]} nodeOptions @param {URL | undefined} bench */
function start(file, job, nodeOptions, bench = BENCH) {
  const child = fork(new URL(file, bench), [JSON.stringify(job)], {
    execArgv: ['--no-warnings', ...nodeOptions],
    // Peers talk; the table is all there is to see.
    stdio: ['ignore', process.env.BENCH_DEBUG ? 'inherit' : 'ignore', 'inherit', 'ipc'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** @param {import('node:child_process').ChildProcess} child @param {string} what @param {number} timeoutMs */
function nextMessage(child, what, timeoutMs) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(new Error(`${what}: no answer within ${timeoutMs} ms`)), timeoutMs);
    /** @param {any} message */
    const onMessage = (message) => {
      if (message.type === 'error') end(new Error(`${what}: ${message.error}`));
      else end(undefined, message);
    };
    /** @param {number | null} code @param {string | null} signal */
    const onExit = (code, signal) => end(new Error(`${what}: ended early (${signal ?? code})`));
    /** @param {Error | undefined} error @param {any} [message] */
    const end = (error, message) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      if (error) {
        child.kill('SIGKILL');
        reject(error);
      } else resolve(message);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
