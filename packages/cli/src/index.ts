import { writeSync } from 'node:fs';
import { EXIT, endIfBusy, reportFailure } from './failure.ts';
import { run, wantsJson } from './program.ts';

/** What a command that failed has left under way gets so long, in ms, to end. */
const END_MS = 5_000;

// Whoever reads the output may leave early (`| head`); that is no reason to fail, let alone for a server to stop.
let unwritten: NodeJS.ErrnoException | undefined;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') unwritten ??= error;
  });
}
process.on('exit', () => {
  if (unwritten === undefined || process.exitCode !== EXIT.done) return;
  process.exitCode = EXIT.failed;
  const why = unwritten.code === 'ENOSPC' ? 'the disk is full' : 'it cannot be written';
  try {
    writeSync(
      2,
      `cos-slice: not all of the output could be printed: ${why} (${unwritten.code ?? unwritten.message})\n`,
    );
  } catch {
    // That was it, then.
  }
});
process.on('uncaughtException', (error) => {
  process.exit(reportFailure(error, { json: wantsJson(process.argv.slice(2)) }));
});

const exitCode = await run(process.argv.slice(2));
process.exitCode = exitCode;
// Reads that never come back, as from a mount whose server is gone, keep the process.
if (exitCode !== EXIT.done) setTimeout(endIfBusy, END_MS).unref();
