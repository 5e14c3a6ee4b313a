import { Worker } from 'node:worker_threads';
import type { Target } from './target.ts';

const MOST_BYTES = 512 * 1024;
/** An input that takes a thread for longer has it for ever. */
const HANGS_AFTER_MS = 120_000;

/** Looks from a thread of its own whether another input has come, and ends the process with the one that has not. */
const WATCH = `
const { workerData: { shared, name, afterMs } } = require('node:worker_threads');
const facts = new Int32Array(shared, 0, 2);
let before = -1, sinceMs = Date.now();
setInterval(() => {
  const [count, length] = facts;
  if (count !== before) { before = count; sinceMs = Date.now(); return; }
  if (length < 0 || Date.now() - sinceMs < afterMs) return;
  const hex = Buffer.from(shared, 8, length).toString('hex');
  require('node:fs').writeSync(1, '\\n' + name + ': input ' + count + ' does not come to an end\\n  npm run fuzz -- --target ' + name + ' --input ' + hex + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, 1000).unref();
`;

/** A target whose inputs are told to somebody who notices when one of them keeps the thread. */
export function watchForHangs(target: Target): { readonly target: Target; end(): void } {
  const shared = new SharedArrayBuffer(8 + MOST_BYTES);
  const facts = new Int32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, 8);
  facts[1] = -1;
  const workerData = { shared, name: target.name, afterMs: HANGS_AFTER_MS };
  const worker = new Worker(WATCH, { eval: true, workerData });
  worker.unref();
  const rest = (): void => {
    facts[1] = -1;
  };
  const run = (input: Buffer): void | Promise<void> => {
    bytes.set(input.subarray(0, MOST_BYTES));
    facts[0] = (facts[0] ?? 0) + 1;
    facts[1] = Math.min(input.length, MOST_BYTES);
    const running = target.run(input);
    if (!running) return rest();
    return running.finally(rest);
  };
  return { target: { ...target, run }, end: () => void worker.terminate() };
}
