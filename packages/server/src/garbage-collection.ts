import { setFlagsFromString } from 'node:v8';

/** V8 itself goes up to 300, mostly to less. */
const GROWTH_PERCENT = 400;

/**
 * For the start of a process that serves and does little else: the garbage collector looks through the whole heap only when it
 * has grown to five times what lived the last time.
 *
 * Bytes that pass through count as part of the heap until the next small collection, which comes every 32 MiB or so. Beside the
 * 10 MiB or so that live in a server V8 takes that for growth, and looks through everything some 50 times for each GiB, which is a
 * third of the CPU time.
 *
 * It holds for the whole process and for its threads. Nothing happens where there is no V8 to tell, as in Bun.
 */
export function paceGarbageCollection(): void {
  try {
    setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  } catch {
    // A server without it is slower, and nothing else.
  }
}
